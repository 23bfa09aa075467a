#include <mien/backend/cpu/transpose.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace mien;

namespace {

template <class T>
void check(Index rows, Index columns, Index gap) {
  CAPTURE(rows);
  CAPTURE(columns);
  const Index from_stride = columns + gap;
  const Index to_stride = rows + 2 * gap;
  std::vector<T> from(static_cast<std::size_t>(rows * from_stride));
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<T>(i + 1);
  std::vector<T> to(static_cast<std::size_t>(columns * to_stride), T{-1});
  backend::transpose(from.data(), rows, columns, from_stride, to.data(), to_stride);
  Index wrong = 0;
  for (Index i = 0; i < columns; ++i)
    for (Index j = 0; j < to_stride; ++j) {
      const T expected = j < rows ? from[static_cast<std::size_t>(j * from_stride + i)] : T{-1};
      wrong += to[static_cast<std::size_t>(i * to_stride + j)] != expected;
    }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("rows become columns, and what lies between rows is left alone") {
  for (const Index rows : {0, 1, 7, 16, 31, 65})
    for (const Index columns : {0, 1, 4, 7, 32, 65})
      for (const Index gap : {0, 3}) {
        check<float>(rows, columns, gap);
        check<double>(rows, columns, gap);
      }
}
