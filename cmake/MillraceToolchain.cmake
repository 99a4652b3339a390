# How everything is compiled: warnings, sanitizers, the quick linker and the compiler cache.

# "address,undefined", "thread", ...; the presets set it.
set(MILLRACE_SANITIZE "" CACHE STRING "Sanitizers for the whole build, comma separated")
option(MILLRACE_FUZZ "Build *_fuzz.cc as libFuzzer programs (clang); otherwise as replayers of their corpus" OFF)
option(MILLRACE_COVERAGE "Measure what the tests reach (gcov)" OFF)

# A private header of a third party is on the system path and so is never warned about.
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Wold-style-cast)

# Stack traces of the watchdog and of profilers need frames; they cost next to nothing.
add_compile_options(-fno-omit-frame-pointer)

# No machine path in the binary: __FILE__ and the debug information start at the top of the tree.
add_compile_options("-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=")

if(MILLRACE_SANITIZE)
  # RocksDB is built without RTTI, so nothing that derives from its classes can pass the vptr check.
  set(flags "-fsanitize=${MILLRACE_SANITIZE}" -fno-sanitize-recover=all)
  if(MILLRACE_SANITIZE MATCHES undefined)
    list(APPEND flags -fno-sanitize=vptr)
  endif()
  if(MILLRACE_FUZZ)
    list(APPEND flags -fsanitize=fuzzer-no-link)
  endif()
  add_compile_options(${flags})
  add_link_options(${flags})
endif()

if(MILLRACE_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()

find_program(MILLRACE_MOLD mold)
if(MILLRACE_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

find_program(MILLRACE_CCACHE ccache)
if(MILLRACE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${MILLRACE_CCACHE}")
endif()
