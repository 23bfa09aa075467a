#pragma once

// What an exception says, so that tests can check that it tells the user enough.

#include <string>
#include <string_view>

/// The message of the exception that `action` throws, which must be an `Exception`; "nothing thrown" if it does not.
template <class Exception, class Action>
std::string message_of(Action action) {
  try {
    action();
  } catch (const Exception& error) {
    return error.what();
  }
  return "nothing thrown";
}

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }
