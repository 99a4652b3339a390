# The third parties, all from Debian, as imported targets. Which room may include which is checked by tools/tidy.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)

# Those that bring no CMake file, or one that differs between Debian releases.
foreach(name rocksdb libpq yaml-cpp cpp-httplib simdjson libpcre2-8 libxxhash liblz4)
  string(MAKE_C_IDENTIFIER "${name}" id)
  pkg_check_modules(${id} REQUIRED IMPORTED_TARGET ${name})
endforeach()
