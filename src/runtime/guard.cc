#include "runtime/guard.h"

#include <cxxabi.h>

#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <typeinfo>

namespace millrace {

Error error_of_current_exception(std::string_view what) {
  std::string type = "an exception of unknown type";
  if (const std::type_info* info = abi::__cxa_current_exception_type(); info != nullptr) {
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> name(
        abi::__cxa_demangle(info->name(), nullptr, nullptr, &status), &std::free);
    type = name != nullptr ? name.get() : info->name();
  }
  return stop_error(std::string(what) + " threw " + type,
                    "this is a fault of the program or a library: restart the connector, and report it");
}

}  // namespace millrace
