// Stands in for libFuzzer in builds without it: feeds every file of the given folders to the fuzz function,
// so that what was once found stays found with any compiler. An absent folder is an empty corpus; the empty
// input always runs.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <vector>

// The name and the C linkage are libFuzzer's.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::vector<std::uint8_t> read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t fed = 0;
  LLVMFuzzerTestOneInput(nullptr, 0);
  for (const char* arg : std::span(argv, static_cast<std::size_t>(argc)).subspan(1)) {
    if (!std::filesystem::is_directory(arg)) continue;
    for (const auto& entry : std::filesystem::directory_iterator(arg)) {
      // Named before it runs: a crash then tells which file it was.
      std::fprintf(stderr, "%s\n", entry.path().filename().c_str());
      const auto bytes = read_file(entry.path());
      LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
      ++fed;
    }
  }
  std::fprintf(stderr, "%zu files replayed\n", fed);
  return 0;
}
