// Sums and products of arrays, and functions of single numbers with their gradients.
//
// Launch: a thread takes two packs of 16 bytes, or eight numbers where a pointer is not aligned; 256 threads a block
// (packs.hpp).
// Bytes: every array once, 2 or 3 count sizeof(T). Flops: one to some forty a number, those for GELU: bound by memory,
// and GELU of 16-bit numbers by both alike.

#include "mien/backend/cuda/kernels/elementwise.hpp"
#include "packs.hpp"

namespace mien::kernels {
namespace {

struct Plus {
  __device__ float operator()(float a, float b) const { return a + b; }
};
struct Minus {
  __device__ float operator()(float a, float b) const { return a - b; }
};
struct Times {
  __device__ float operator()(float a, float b) const { return a * b; }
};
struct Over {
  __device__ float operator()(float a, float b) const { return a / b; }
};
struct Scale {
  float factor;
  __device__ float operator()(float x) const { return x * factor; }
};
template <class T>
struct ScaleBy {
  const T* factor;
  float times;
  __device__ float operator()(float x) const { return x * to_float(*factor) * times; }
};
/// Comparisons with NaN fail and keep it.
struct Clamp {
  float limit;
  __device__ float operator()(float x) const {
    const float raised = x < -limit ? -limit : x;
    return raised > limit ? limit : raised;
  }
};
struct Relu {
  __device__ float operator()(float x) const { return x < 0 ? 0 : x; }
};
struct Sigmoid {
  __device__ float operator()(float x) const { return 1 / (1 + expf(-x)); }
};
struct Tanh {
  __device__ float operator()(float x) const { return tanhf(x); }
};
struct Exponential {
  __device__ float operator()(float x) const { return expf(x); }
};
struct Logarithm {
  __device__ float operator()(float x) const { return logf(x); }
};
struct SquareRoot {
  __device__ float operator()(float x) const { return sqrtf(x); }
};

constexpr float inverse_sqrt_2 = 0.707106781186547524F;
constexpr float inverse_sqrt_2_pi = 0.398942280401432678F;

/// The standard normal's distribution function. erfc would keep more digits below -3, at twice the flops.
__device__ inline float normal_cumulative(float x) { return (erff(x * inverse_sqrt_2) + 1) / 2; }

struct Gelu {
  __device__ float operator()(float x) const { return x * normal_cumulative(x); }
};

struct ReluGradient {
  __device__ float operator()(float y, float upstream) const { return y > 0 ? upstream : 0; }
};
struct SigmoidGradient {
  __device__ float operator()(float y, float upstream) const { return upstream * y * (1 - y); }
};
struct TanhGradient {
  __device__ float operator()(float y, float upstream) const { return upstream * (1 - y * y); }
};
struct GeluGradient {
  __device__ float operator()(float x, float upstream) const {
    return upstream * (normal_cumulative(x) + x * expf(-x * x / 2) * inverse_sqrt_2_pi);
  }
};

/// out = function(x).
template <class T, int pack_width, class Function>
struct OfOne {
  static constexpr int width = pack_width;
  using Inputs = Pack<T, width>;
  Function function;
  const T* x;
  T* out;

  __device__ Inputs load(Index i, Index left) const { return load_pack<width>(x + i, left); }
  __device__ void store(Index i, Index left, Inputs numbers) const {
    MIEN_UNROLL(width)
    for (T& number : numbers.numbers) number = from_float<T>(function(to_float(number)));
    store_pack(numbers, out + i, left);
  }
};

/// out = function(a, b).
template <class T, int pack_width, class Function>
struct OfTwo {
  static constexpr int width = pack_width;
  struct Inputs {
    Pack<T, width> a, b;
  };
  Function function;
  const T* a;
  const T* b;
  T* out;

  __device__ Inputs load(Index i, Index left) const {
    return {load_pack<width>(a + i, left), load_pack<width>(b + i, left)};
  }
  __device__ void store(Index i, Index left, const Inputs& inputs) const {
    Pack<T, width> results;
    MIEN_UNROLL(width)
    for (int k = 0; k < width; ++k)
      results.numbers[k] = from_float<T>(function(to_float(inputs.a.numbers[k]), to_float(inputs.b.numbers[k])));
    store_pack(results, out + i, left);
  }
};

template <class T, class Function>
void apply(const char* name, const Function& function, const T* x, Index count, T* out, cudaStream_t stream) {
  constexpr int width = widest_pack<T>;
  if (holds_packs<width>(x) && holds_packs<width>(out)) {
    visit_all_packs(name, OfOne<T, width, Function>{function, x, out}, count, stream);
  } else {
    visit_all_packs(name, OfOne<T, 1, Function>{function, x, out}, count, stream);
  }
}

template <class T, class Function>
void apply(const char* name, const Function& function, const T* a, const T* b, Index count, T* out,
           cudaStream_t stream) {
  constexpr int width = widest_pack<T>;
  if (holds_packs<width>(a) && holds_packs<width>(b) && holds_packs<width>(out)) {
    visit_all_packs(name, OfTwo<T, width, Function>{function, a, b, out}, count, stream);
  } else {
    visit_all_packs(name, OfTwo<T, 1, Function>{function, a, b, out}, count, stream);
  }
}

}  // namespace

template <class T>
void add(const T* a, const T* b, Index count, T* out, cudaStream_t stream) {
  apply("add", Plus{}, a, b, count, out, stream);
}

template <class T>
void subtract(const T* a, const T* b, Index count, T* out, cudaStream_t stream) {
  apply("subtract", Minus{}, a, b, count, out, stream);
}

template <class T>
void multiply(const T* a, const T* b, Index count, T* out, cudaStream_t stream) {
  apply("multiply", Times{}, a, b, count, out, stream);
}

template <class T>
void divide(const T* a, const T* b, Index count, T* out, cudaStream_t stream) {
  apply("divide", Over{}, a, b, count, out, stream);
}

template <class T>
void scale(const T* x, float factor, Index count, T* out, cudaStream_t stream) {
  apply("scale", Scale{factor}, x, count, out, stream);
}

template <class T>
void scale_by(const T* x, const T* factor, float times, Index count, T* out, cudaStream_t stream) {
  apply("scale_by", ScaleBy<T>{factor, times}, x, count, out, stream);
}

template <class T>
void clamp(const T* x, float limit, Index count, T* out, cudaStream_t stream) {
  apply("clamp", Clamp{limit}, x, count, out, stream);
}

template <class T>
void relu(const T* x, Index count, T* out, cudaStream_t stream) {
  apply("relu", Relu{}, x, count, out, stream);
}

template <class T>
void sigmoid(const T* x, Index count, T* out, cudaStream_t stream) {
  apply("sigmoid", Sigmoid{}, x, count, out, stream);
}

template <class T>
void tanh(const T* x, Index count, T* out, cudaStream_t stream) {
  apply("tanh", Tanh{}, x, count, out, stream);
}

template <class T>
void gelu(const T* x, Index count, T* out, cudaStream_t stream) {
  apply("gelu", Gelu{}, x, count, out, stream);
}

template <class T>
void exponential(const T* x, Index count, T* out, cudaStream_t stream) {
  apply("exponential", Exponential{}, x, count, out, stream);
}

template <class T>
void logarithm(const T* x, Index count, T* out, cudaStream_t stream) {
  apply("logarithm", Logarithm{}, x, count, out, stream);
}

template <class T>
void square_root(const T* x, Index count, T* out, cudaStream_t stream) {
  apply("square_root", SquareRoot{}, x, count, out, stream);
}

template <class T>
void relu_gradient(const T* y, const T* upstream, Index count, T* out, cudaStream_t stream) {
  apply("relu_gradient", ReluGradient{}, y, upstream, count, out, stream);
}

template <class T>
void sigmoid_gradient(const T* y, const T* upstream, Index count, T* out, cudaStream_t stream) {
  apply("sigmoid_gradient", SigmoidGradient{}, y, upstream, count, out, stream);
}

template <class T>
void tanh_gradient(const T* y, const T* upstream, Index count, T* out, cudaStream_t stream) {
  apply("tanh_gradient", TanhGradient{}, y, upstream, count, out, stream);
}

template <class T>
void gelu_gradient(const T* x, const T* upstream, Index count, T* out, cudaStream_t stream) {
  apply("gelu_gradient", GeluGradient{}, x, upstream, count, out, stream);
}

#define MIEN_FOR(T)                                                               \
  template void add<T>(const T*, const T*, Index, T*, cudaStream_t);              \
  template void subtract<T>(const T*, const T*, Index, T*, cudaStream_t);         \
  template void multiply<T>(const T*, const T*, Index, T*, cudaStream_t);         \
  template void divide<T>(const T*, const T*, Index, T*, cudaStream_t);           \
  template void scale<T>(const T*, float, Index, T*, cudaStream_t);               \
  template void scale_by<T>(const T*, const T*, float, Index, T*, cudaStream_t);  \
  template void clamp<T>(const T*, float, Index, T*, cudaStream_t);               \
  template void relu<T>(const T*, Index, T*, cudaStream_t);                       \
  template void sigmoid<T>(const T*, Index, T*, cudaStream_t);                    \
  template void tanh<T>(const T*, Index, T*, cudaStream_t);                       \
  template void gelu<T>(const T*, Index, T*, cudaStream_t);                       \
  template void exponential<T>(const T*, Index, T*, cudaStream_t);                \
  template void logarithm<T>(const T*, Index, T*, cudaStream_t);                  \
  template void square_root<T>(const T*, Index, T*, cudaStream_t);                \
  template void relu_gradient<T>(const T*, const T*, Index, T*, cudaStream_t);    \
  template void sigmoid_gradient<T>(const T*, const T*, Index, T*, cudaStream_t); \
  template void tanh_gradient<T>(const T*, const T*, Index, T*, cudaStream_t);    \
  template void gelu_gradient<T>(const T*, const T*, Index, T*, cudaStream_t);
MIEN_FOR(float)
MIEN_FOR(__nv_bfloat16)
MIEN_FOR(__half)
#undef MIEN_FOR

}  // namespace mien::kernels
