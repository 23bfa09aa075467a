#pragma once

/// Exceptions of the library. Every message says what was asked, what was found and where; nothing is printed or
/// aborted.

#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "mien/core/digits.hpp"

namespace mien {

/// Base of everything that the library throws, but for std::bad_alloc where there is no memory for anything besides
/// tensors.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Shapes that do not fit together; the message prints all of them.
class ShapeError : public Error {
 public:
  using Error::Error;
};

/// An index or axis outside its range.
class IndexError : public Error {
 public:
  using Error::Error;
};

/// An argument or a value in the data that makes no sense for the operation.
class ValueError : public Error {
 public:
  using Error::Error;
};

/// A file that cannot be read or written, or that says something impossible.
class FileError : public Error {
 public:
  using Error::Error;

  /// `place` is where in the file (a line, a byte, a field); empty if the whole file is meant.
  FileError(std::string_view file, std::string_view place, std::string_view found, std::string_view expected)
      : Error(describe(file, place, found, expected)) {}

 private:
  static std::string describe(std::string_view file, std::string_view place, std::string_view found,
                              std::string_view expected) {
    std::string out(file);
    if (!place.empty()) out.append(": ").append(place);
    out.append(": found ").append(found);
    if (!expected.empty()) out.append(", expected ").append(expected);
    return out;
  }
};

namespace detail {

template <class Part>
void append_text(std::string& out, const Part& part) {
  if constexpr (std::is_same_v<Part, bool>) {
    out += part ? "true" : "false";
  } else if constexpr (std::is_same_v<Part, char>) {
    out += part;
  } else if constexpr (std::is_floating_point_v<Part>) {
    out += general_digits(static_cast<double>(part));
  } else if constexpr (std::is_integral_v<Part>) {
    out += std::to_string(part);
  } else if constexpr (std::is_convertible_v<const Part&, std::string_view>) {
    out += std::string_view(part);
  } else {
    out += part.to_string();
  }
}

/// Strings, numbers and anything with `to_string()`, put together into one message.
template <class... Parts>
std::string text(const Parts&... parts) {
  std::string out;
  (append_text(out, parts), ...);
  return out;
}

}  // namespace detail
}  // namespace mien
