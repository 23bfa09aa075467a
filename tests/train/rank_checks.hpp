#pragma once

// What the programs check with that mpirun starts, which are not doctest's: each process says for itself what failed.

#include <cstdio>

inline int failures = 0;

inline void check(bool holds, const char* what) {
  if (holds) return;
  ++failures;
  std::fprintf(stderr, "failed: %s\n", what);
}

template <class Exception, class Action>
bool throws(const Action& action) {
  try {
    action();
  } catch (const Exception&) {
    return true;
  }
  return false;
}
