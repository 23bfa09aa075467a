// Sequences of joints as one timeless map for each joint.
//
//     maps[r, c, j] = (sum over t of W(t) exp(-((r - r_tj)^2 + (c - c_tj)^2) / (2 sigma^2))) / divisor
//
// Launch: first the places (r_tj, c_tj) of all joints, a block of 512 threads a sample; then the maps, a block of 256
// threads four rows of up to 32 joints, all columns. Division by the maximum draws twice, the first time only to find
// it.
// Bytes: joints and maps once; places are read again by each strip of four rows, from the cache. Flops: 10 a joint and
// frame in double; 4 a joint, frame and row; 2 a number of the maps and column within reach, nine sigma to both sides:
// bound by memory for one pixel and narrow Gaussians, unless there are many more frames than columns.
//
// The sum is separable: shared memory takes W(t) exp(-(r - r_tj)^2 / (2 sigma^2)) in column c_tj, then columns are
// spread. A thread takes a row and a joint through all frames, so that no two write to one number and the order of
// additions is always the same.
//
// Boxes and places are worked out in double, as the CPU does it: a joint at the border of two pixels must not come to
// lie in the other.

#include "mien/backend/cuda/kernels/gesture_representation.hpp"
#include "portable.hpp"

namespace mien::kernels {
namespace {

constexpr int place_warps = 16;
constexpr int place_threads = place_warps * warp_threads;
constexpr int map_warps = 8;
constexpr int map_threads = map_warps * warp_threads;
constexpr int gesture_strip_rows = 4;
constexpr int strip_numbers = 2048;  // columns times joints of one row, in shared memory
constexpr int most_joints = 32;      // of a block

__device__ inline int warp_of_thread() { return static_cast<int>(threadIdx.x) / warp_threads; }
__device__ inline int gesture_lane_of_thread() { return static_cast<int>(threadIdx.x) % warp_threads; }

__device__ inline bool is_finite(float value) { return fabsf(value) < INFINITY; }

/// What is present of some joints. One that has no place makes it infinite.
struct Bounds {
  float left, right, top, bottom;

  __device__ static Bounds of_none() { return {INFINITY, -INFINITY, INFINITY, -INFINITY}; }

  __device__ void include(const float* joint) {
    const float x = joint[0];
    const float y = joint[1];
    const float confidence = joint[2];
    if (confidence <= 0) return;
    if (confidence != confidence || !is_finite(x) || !is_finite(y)) {
      left = -INFINITY;
      right = INFINITY;
      return;
    }
    left = fminf(left, x);
    right = fmaxf(right, x);
    top = fminf(top, y);
    bottom = fmaxf(bottom, y);
  }

  /// Of all lanes.
  __device__ Bounds of_warp() const { return {-warp_max(-left), warp_max(right), -warp_max(-top), warp_max(bottom)}; }
};

/// What is laid onto the map.
struct Square {
  double left, top, side;

  /// `growth` is by the margin.
  __device__ Square(const Bounds& bounds, double growth) {
    constexpr double smallest_side = 1e-6;  // a body in one point has a box too
    const double width = static_cast<double>(bounds.right) - static_cast<double>(bounds.left);
    const double height = static_cast<double>(bounds.bottom) - static_cast<double>(bounds.top);
    side = fmax(fmax(width, height), smallest_side) * growth;
    left = (static_cast<double>(bounds.left) + static_cast<double>(bounds.right)) / 2 - side / 2;
    top = (static_cast<double>(bounds.top) + static_cast<double>(bounds.bottom)) / 2 - side / 2;
  }

  __device__ bool is_finite() const { return side < static_cast<double>(INFINITY); }
};

__device__ inline short pixel_of(double place, double low, double side, int size) {
  const double scaled = floor((place - low) / side * static_cast<double>(size));
  if (scaled < 0) return 0;
  return static_cast<short>(scaled < size ? static_cast<int>(scaled) : size - 1);
}

/// Where a joint draws in one frame.
struct alignas(4) Visit {
  short row, column;
};
constexpr Visit absent = {-2 * strip_numbers, 0};  // out of reach of every row

/// W(t) = constant + t (slope + t curve), frames being counted from 0.
struct TimeWeights {
  int frames;
  float constant, slope, curve;

  __device__ TimeWeights(TimeWeight kind, int all_frames) : frames(all_frames), constant(0), slope(0), curve(0) {
    if (frames == 1 || kind == TimeWeight::uniform) {
      constant = 1;
    } else {
      slope = static_cast<float>(kind == TimeWeight::linear ? frames : 1) / static_cast<float>(frames - 1);
      if (kind == TimeWeight::quadratic) curve = slope;
    }
  }

  __device__ float operator()(int frame) const {
    const auto t = static_cast<float>(frame);
    return constant + t * (slope + t * curve);
  }

  __device__ float sum() const {
    const auto count = static_cast<float>(frames);
    return count * (constant + (count - 1) / 2 * (slope + (2 * count - 1) / 3 * curve));
  }
};

/// A `GestureRepresentation` as numbers that the device counts with.
struct Drawing {
  int samples, frames, joints, drawn, side;
  int reach;         ///< of a Gaussian, in pixels
  int joint_groups;  ///< that blocks take
  int joints_of_group;
  double sigma, growth;
  TimeWeight weight;
  MapScale scale;
  bool square_root, box_per_frame;

  __host__ __device__ int strips() const { return (side + gesture_strip_rows - 1) / gesture_strip_rows; }
  __host__ __device__ int blocks_of_sample() const { return strips() * joint_groups; }
  Index blocks() const { return static_cast<Index>(samples) * blocks_of_sample(); }
  Index visits() const { return static_cast<Index>(samples) * frames * drawn; }

  __device__ int length(const Index* lengths, int sample) const {
    return lengths == nullptr ? frames : static_cast<int>(lengths[sample]);
  }
};

/// What the kernels leave for each other.
struct Workspace {
  Visit* visits;    ///< [samples, frames, drawn]
  float* divisors;  ///< [samples]; NaN for a sample that is refused
  float* profile;   ///< [reach + 1]: a Gaussian
  float* greatest;  ///< of each block

  Workspace(float* all, const Drawing& drawing)
      : visits(reinterpret_cast<Visit*>(all)),
        divisors(all + drawing.visits()),
        profile(divisors + drawing.samples),
        greatest(profile + drawing.side) {}
};

/// The joints of a sample that are drawn.
struct Sequence {
  const float* joints;
  const Index* drawn;
  const Drawing& drawing;
  int length;

  __device__ const float* joint(int frame, int channel) const {
    const Index joint = drawn == nullptr ? channel : drawn[channel];
    return joints + (static_cast<Index>(frame) * drawing.joints + joint) * 3;
  }

  /// Those of a frame that this lane sees.
  __device__ void include_frame(int frame, Bounds& bounds) const {
    for (int channel = gesture_lane_of_thread(); channel < drawing.drawn; channel += warp_threads)
      bounds.include(joint(frame, channel));
  }
};

__device__ inline Bounds bounds_of_frame(const Sequence& sequence, int frame) {
  Bounds bounds = Bounds::of_none();
  sequence.include_frame(frame, bounds);
  return bounds.of_warp();
}

/// A whole block's work.
__device__ inline Bounds bounds_of_sequence(const Sequence& sequence) {
  MIEN_SHARED(Bounds, of_warps, place_warps);
  Bounds bounds = Bounds::of_none();
  for (int frame = warp_of_thread(); frame < sequence.length; frame += place_warps)
    sequence.include_frame(frame, bounds);
  bounds = bounds.of_warp();
  if (gesture_lane_of_thread() == 0) of_warps[warp_of_thread()] = bounds;
  __syncthreads();
  bounds = of_warps[gesture_lane_of_thread() % place_warps];
  return bounds.of_warp();
}

__device__ inline void place_frame(const Sequence& sequence, const Square& square, int frame, Visit* visits) {
  const int side = sequence.drawing.side;
  for (int channel = gesture_lane_of_thread(); channel < sequence.drawing.drawn; channel += warp_threads) {
    const float* joint = sequence.joint(frame, channel);
    Visit visit = absent;
    if (joint[2] > 0 && square.is_finite())
      visit = {pixel_of(static_cast<double>(joint[1]), square.top, square.side, side),
               pixel_of(static_cast<double>(joint[0]), square.left, square.side, side)};
    visits[static_cast<Index>(frame) * sequence.drawing.drawn + channel] = visit;
  }
}

/// What the sums are divided by, as long as their maximum is not known; NaN if any warp found a frame without a square.
__device__ inline float divisor_of(const Sequence& sequence, const int* refused) {
  for (int warp = 0; warp < place_warps; ++warp)
    if (refused[warp] != 0) return NAN;
  if (sequence.drawing.scale != MapScale::by_weight_sum || sequence.length == 0) return 1;
  return TimeWeights(sequence.drawing.weight, sequence.length).sum();
}

__device__ inline void store_profile(const Drawing& drawing, float* profile) {
  for (int distance = static_cast<int>(threadIdx.x); distance <= drawing.reach; distance += place_threads) {
    const double d = static_cast<double>(distance) / drawing.sigma;
    profile[distance] = distance == 0 ? 1 : static_cast<float>(exp(-d * d / 2));
  }
}

/// Places and divisors; from the first block the profile too.
__global__ void __launch_bounds__(place_threads, 1)
    place_joints(const float* joints, const Index* lengths, const Index* drawn, Drawing drawing, Workspace out) {
  MIEN_SHARED(int, refused, place_warps);
  const int sample = static_cast<int>(blockIdx.x);
  const Index first = static_cast<Index>(sample) * drawing.frames;
  const Sequence sequence{joints + first * drawing.joints * 3, drawn, drawing, drawing.length(lengths, sample)};
  Bounds bounds = Bounds::of_none();
  if (!drawing.box_per_frame) bounds = bounds_of_sequence(sequence);
  bool all_placed = true;
  for (int frame = warp_of_thread(); frame < sequence.length; frame += place_warps) {
    if (drawing.box_per_frame) bounds = bounds_of_frame(sequence, frame);
    const Square square(bounds, drawing.growth);
    all_placed = all_placed && square.is_finite();
    place_frame(sequence, square, frame, out.visits + first * drawing.drawn);
  }
  if (gesture_lane_of_thread() == 0) refused[warp_of_thread()] = !all_placed;
  __syncthreads();
  if (threadIdx.x == 0) out.divisors[sample] = divisor_of(sequence, refused);
  if (sample == 0) store_profile(drawing, out.profile);
}

/// What a block draws.
struct MapPart {
  int sample, first_row, first_joint, joints;

  __device__ explicit MapPart(const Drawing& drawing) {
    const int block = static_cast<int>(blockIdx.x);
    sample = block / drawing.blocks_of_sample();
    first_row = block / drawing.joint_groups % drawing.strips() * gesture_strip_rows;
    first_joint = block % drawing.joint_groups * drawing.joints_of_group;
    const int left = drawing.drawn - first_joint;
    joints = left < drawing.joints_of_group ? left : drawing.joints_of_group;
  }
};

/// Adds what the frames draw in the rows of a strip, at the columns where the joints are.
__device__ inline void add_visits(const Drawing& drawing, const MapPart& part, const Workspace& from, int length,
                                  float* sums) {
  const int own_row = static_cast<int>(threadIdx.x) / part.joints;
  const int joint = static_cast<int>(threadIdx.x) % part.joints;
  if (own_row >= gesture_strip_rows) return;
  const TimeWeights weights(drawing.weight, length);
  const Index first = static_cast<Index>(part.sample) * drawing.frames * drawing.drawn;
  const Visit* visits = from.visits + first + part.first_joint + joint;
  sums += own_row * strip_numbers + joint;
  MIEN_UNROLL(4)
  for (int frame = 0; frame < length; ++frame) {
    const Visit visit = visits[static_cast<Index>(frame) * drawing.drawn];
    const int distance = abs(part.first_row + own_row - visit.row);
    if (distance <= drawing.reach) sums[visit.column * part.joints] += weights(frame) * from.profile[distance];
  }
}

/// finish(row, column, joint of the part, sum) for every number of a block's maps.
template <class AllMaps>
__global__ void __launch_bounds__(map_threads, 1)
    draw_maps(const Index* lengths, Drawing drawing, Workspace from, AllMaps maps) {
  MIEN_SHARED(float, sums, gesture_strip_rows* strip_numbers);
  const MapPart part(drawing);
  const int numbers = drawing.side * part.joints;
  for (int i = static_cast<int>(threadIdx.x); i < numbers; i += map_threads)
    for (int row = 0; row < gesture_strip_rows; ++row) sums[row * strip_numbers + i] = 0;
  __syncthreads();
  add_visits(drawing, part, from, drawing.length(lengths, part.sample), sums);
  __syncthreads();

  auto finish = maps.of(drawing, part);
  for (int i = static_cast<int>(threadIdx.x); i < numbers; i += map_threads) {
    const int column = i / part.joints;
    const int first = column > drawing.reach ? column - drawing.reach : 0;
    const int last = column + drawing.reach < drawing.side ? column + drawing.reach : drawing.side - 1;
    float spread[gesture_strip_rows] = {};
    MIEN_UNROLL(2)
    for (int source = first; source <= last; ++source) {
      const float share = from.profile[abs(source - column)];
      const int place = i + (source - column) * part.joints;
      MIEN_UNROLL(4)
      for (int row = 0; row < gesture_strip_rows; ++row) spread[row] += share * sums[row * strip_numbers + place];
    }
    MIEN_UNROLL(4)
    for (int row = 0; row < gesture_strip_rows; ++row)
      if (part.first_row + row < drawing.side)
        finish(part.first_row + row, column, i - column * part.joints, spread[row]);
  }
  finish.end();
}

template <class T>
struct StoreMaps {
  const float* divisors;
  T* maps;

  struct OfPart {
    const Drawing& drawing;
    float divisor;
    T* map;

    __device__ void operator()(int row, int column, int joint, float sum) {
      const float value = sum / divisor;
      const Index pixel = static_cast<Index>(row) * drawing.side + column;
      map[pixel * drawing.drawn + joint] = from_float<T>(drawing.square_root ? sqrtf(value) : value);
    }
    __device__ void end() {}
  };
  __device__ OfPart of(const Drawing& drawing, const MapPart& part) const {
    const Index first = static_cast<Index>(part.sample) * drawing.side * drawing.side * drawing.drawn;
    return {drawing, divisors[part.sample], maps + first + part.first_joint};
  }
};

struct KeepGreatest {
  float* greatest;

  struct OfPart {
    float* of_block;
    float own;

    __device__ void operator()(int, int, int, float sum) { own = fmaxf(own, sum); }
    __device__ void end() {
      MIEN_SHARED(float, of_warp, map_warps);
      own = warp_max(own);
      if (gesture_lane_of_thread() == 0) of_warp[warp_of_thread()] = own;
      __syncthreads();
      if (threadIdx.x > 0) return;
      for (int warp = 1; warp < map_warps; ++warp) own = fmaxf(own, of_warp[warp]);
      *of_block = own;
    }
  };
  __device__ OfPart of(const Drawing&, const MapPart&) const { return {greatest + blockIdx.x, 0}; }
};

/// The greatest number of each sample becomes what its maps are divided by.
__global__ void __launch_bounds__(warp_threads, 1) divide_by_greatest(int blocks_of_sample, Workspace in) {
  const Index sample = blockIdx.x;
  float greatest = 0;
  for (int block = static_cast<int>(threadIdx.x); block < blocks_of_sample; block += warp_threads)
    greatest = fmaxf(greatest, in.greatest[sample * blocks_of_sample + block]);
  greatest = warp_max(greatest);
  if (threadIdx.x == 0 && greatest > 0) in.divisors[sample] *= greatest;
}

/// Up to what distance a Gaussian counts, as on the CPU.
int reach_of(double sigma, Index side) {
  constexpr double negligible = 1e-18;
  int reach = 0;
  for (; reach + 1 < side; ++reach) {
    const double d = static_cast<double>(reach + 1) / sigma;
    if (exp(-d * d / 2) < negligible) break;
  }
  return reach;
}

Drawing drawing_of(const GestureRepresentation& of) {
  constexpr Index most = Index{1} << 20;
  if (of.side > strip_numbers || of.samples > most || of.frames > most || of.joints > most || of.drawn > most)
    throw Error(detail::text("CUDA kernel represent: ", of.samples, " samples of ", of.frames, " frames with ",
                             of.joints, " joints, ", of.drawn, " of them in maps of side ", of.side, "; at most ", most,
                             " each, and side ", strip_numbers));
  const Index fitting = of.side == 0 ? most_joints : strip_numbers / of.side;
  const Index group = fitting < most_joints ? fitting : most_joints;
  const Index joint_groups = groups(of.drawn, group);
  return {static_cast<int>(of.samples),
          static_cast<int>(of.frames),
          static_cast<int>(of.joints),
          static_cast<int>(of.drawn),
          static_cast<int>(of.side),
          reach_of(of.sigma, of.side),
          static_cast<int>(joint_groups),
          joint_groups == 0 ? 0 : static_cast<int>(groups(of.drawn, joint_groups)),
          of.sigma,
          1 + 2 * of.margin,
          of.weight,
          of.scale,
          of.square_root,
          of.box_per_frame};
}

}  // namespace

Index gesture_representation_workspace(const GestureRepresentation& representation) {
  const Drawing drawing = drawing_of(representation);
  return drawing.visits() + drawing.samples + drawing.side + drawing.blocks();
}

template <class T>
void represent(const float* joints, const Index* lengths, const Index* drawn,
               const GestureRepresentation& representation, float* workspace, T* maps, cudaStream_t stream) {
  const Drawing drawing = drawing_of(representation);
  if (drawing.blocks() == 0) return;
  const Workspace work(workspace, drawing);
  launch("place_joints", place_joints, drawing.samples, place_threads, stream, joints, lengths, drawn, drawing, work);
  if (drawing.scale == MapScale::by_maximum) {
    launch("draw_maps", draw_maps<KeepGreatest>, drawing.blocks(), map_threads, stream, lengths, drawing, work,
           KeepGreatest{work.greatest});
    launch("divide_by_greatest", divide_by_greatest, drawing.samples, warp_threads, stream, drawing.blocks_of_sample(),
           work);
  }
  launch("draw_maps", draw_maps<StoreMaps<T>>, drawing.blocks(), map_threads, stream, lengths, drawing, work,
         StoreMaps<T>{work.divisors, maps});
}

#define MIEN_FOR(T)                                                                                              \
  template void represent<T>(const float*, const Index*, const Index*, const GestureRepresentation&, float*, T*, \
                             cudaStream_t);
MIEN_FOR(float)
MIEN_FOR(__nv_bfloat16)
MIEN_FOR(__half)
#undef MIEN_FOR

}  // namespace mien::kernels
