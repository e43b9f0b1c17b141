// Vectors as wide as the instruction set's registers, by the compiler's vector extension: + - * and
// comparisons work on whole vectors. Only what the extension lacks is written out here.
#pragma once

#include <cstddef>
#include <cstring>
#include <utility>

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace rmodels::RMODELS_ISA {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

typedef double f64v __attribute__((vector_size(kVectorBytes)));
typedef float f32v __attribute__((vector_size(kVectorBytes)));
typedef int i32v __attribute__((vector_size(kVectorBytes)));
typedef long long i64v __attribute__((vector_size(kVectorBytes)));
typedef float f32h __attribute__((vector_size(kVectorBytes / 2)));  // as many lanes as f64v
constexpr int kF64 = kVectorBytes / 8;                              // float64 lanes
constexpr int kF32 = kVectorBytes / 4;                              // float32 lanes

template <class Vector, class Scalar>
inline Vector load(const Scalar *p) {  // no alignment needed
    Vector v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

template <class Vector, class Scalar>
inline void store(Scalar *p, Vector v) {
    std::memcpy(p, &v, sizeof v);
}

inline f64v broadcast(double x) {
#if defined(__AVX512F__)
    return (f64v)_mm512_set1_pd(x);
#elif defined(__AVX2__)
    return (f64v)_mm256_set1_pd(x);
#elif defined(__aarch64__)
    return (f64v)vdupq_n_f64(x);
#else
    return f64v{x, x};
#endif
}

// kF64 elements, as float64.
inline f64v load_f64(const double *p) { return load<f64v>(p); }

// As many floats as f64v has lanes, as float64. GCC 12 makes poor code of __builtin_convertvector.
inline f64v widened(f32h v) {
#if defined(__AVX512F__)
    return (f64v)_mm512_maskz_cvtps_pd(0xff, (__m256)v);
#elif defined(__AVX2__)
    return (f64v)_mm256_cvtps_pd((__m128)v);
#else
    return __builtin_convertvector(v, f64v);
#endif
}

inline f64v load_f64(const float *p) { return widened(load<f32h>(p)); }

// Rounded to float32.
inline f32h narrowed(f64v v) {
#if defined(__AVX512F__)
    return (f32h)_mm512_maskz_cvtpd_ps(0xff, (__m512d)v);
#elif defined(__AVX2__)
    return (f32h)_mm256_cvtpd_ps((__m256d)v);
#else
    return __builtin_convertvector(v, f32h);
#endif
}

// Stores the lower halves of the lanes.
inline void store_narrowed(int *p, i64v v) {
#if defined(__AVX512F__)
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi64_epi32((__m512i)v));
#else
    for (int lane = 0; lane < kF64; lane++) p[lane] = int(v[lane]);
#endif
}

#if defined(__AVX2__) && !defined(__AVX512F__)
// A mask that selects the first `count` lanes.
inline __m256i first_lanes(int count) {
    alignas(32) static constexpr long long kOnes[2 * kF64] = {-1, -1, -1, -1, 0, 0, 0, 0};
    return _mm256_loadu_si256((const __m256i *)(kOnes + kF64 - count));
}
#endif

// The first `count` lanes from memory, zeros in the others; nothing else is read.
inline f64v load_first(const double *p, int count) {
#if defined(__AVX512F__)
    return (f64v)_mm512_maskz_loadu_pd(__mmask8((1u << count) - 1), p);
#elif defined(__AVX2__)
    return (f64v)_mm256_maskload_pd(p, first_lanes(count));
#else
    return count == kF64 ? load<f64v>(p) : f64v{p[0], 0.0};
#endif
}

inline f64v load_first(const float *p, int count) {
#if defined(__AVX512F__)
    return widened((f32h)_mm256_maskz_loadu_ps(__mmask8((1u << count) - 1), p));
#else
    f64v v{};
    for (int lane = 0; lane < count; lane++) v[lane] = p[lane];
    return v;
#endif
}

// The same of as many floats as f32v has lanes.
inline f32v load_first_f32(const float *p, int count) {
#if defined(__AVX512F__)
    return (f32v)_mm512_maskz_loadu_ps(__mmask16((1u << count) - 1), p);
#elif defined(__AVX2__)
    const __m256i lanes = _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    return (f32v)_mm256_maskload_ps(p, lanes);
#else
    f32v v{};
    for (int lane = 0; lane < count; lane++) v[lane] = p[lane];
    return v;
#endif
}

// The first `count` of as many floats as f64v has lanes, zeros in the others.
inline f32h load_first_half(const float *p, int count) {
#if defined(__AVX512F__)
    return (f32h)_mm256_maskz_loadu_ps(__mmask8((1u << count) - 1), p);
#elif defined(__AVX2__)
    const __m128i lanes = _mm_cmpgt_epi32(_mm_set1_epi32(count), _mm_setr_epi32(0, 1, 2, 3));
    return (f32h)_mm_maskload_ps(p, lanes);
#else
    return count == kF64 ? load<f32h>(p) : f32h{p[0], 0.0f};
#endif
}

// Only the first `count` lanes are written.
inline void store_first(double *p, f64v v, int count) {
#if defined(__AVX512F__)
    _mm512_mask_storeu_pd(p, __mmask8((1u << count) - 1), (__m512d)v);
#elif defined(__AVX2__)
    _mm256_maskstore_pd(p, first_lanes(count), (__m256d)v);
#else
    for (int lane = 0; lane < count; lane++) p[lane] = v[lane];
#endif
}

// Lanes of a and b exchanged in groups of Step: the two halves of a step of a transposition.
template <int Step, class Vector, std::size_t... Lane>
inline Vector lower_lanes(Vector a, Vector b, std::index_sequence<Lane...>) {
    return __builtin_shufflevector(a, b, int(Lane & Step ? sizeof...(Lane) + Lane - Step : Lane)...);
}

template <int Step, class Vector, std::size_t... Lane>
inline Vector upper_lanes(Vector a, Vector b, std::index_sequence<Lane...>) {
    return __builtin_shufflevector(a, b, int(Lane & Step ? sizeof...(Lane) + Lane : Lane + Step)...);
}

template <int Lanes, std::size_t... Lane>
inline f64v rotated_lanes(f64v v, std::index_sequence<Lane...>) {
    return __builtin_shufflevector(v, v, int((Lane + Lanes) % kF64)...);
}

// Lane l is lane l + Lanes of v, and those that are pushed out at one end come in at the other.
template <int Lanes>
inline f64v rotated(f64v v) {
    return rotated_lanes<Lanes>(v, std::make_index_sequence<kF64>());
}

// Lane l of vector i becomes lane i of vector l.
template <int Step = 1>
inline void transpose(f64v (&v)[kF64]) {
    if constexpr (Step < kF64) {
        constexpr std::make_index_sequence<kF64> lanes;
        for (int i = 0; i < kF64; i++)
            if (!(i & Step)) {
                const f64v a = v[i], b = v[i + Step];
                v[i] = lower_lanes<Step>(a, b, lanes);
                v[i + Step] = upper_lanes<Step>(a, b, lanes);
            }
        transpose<2 * Step>(v);
    }
}

// Lane i is what all lanes of v[i] are joined to: of as many vectors as they have lanes.
template <int Step = 1, class Vector, class Join>
inline Vector joined_lanes(const Vector *v, Join join) {
    constexpr int count = int(sizeof(Vector) / sizeof(v[0][0]));
    if constexpr (Step == count) {
        return v[0];
    } else {
        constexpr std::make_index_sequence<count> lanes;
        Vector pairs[count / 2 / Step];
        for (int i = 0; i < count / 2 / Step; i++)
            pairs[i] = join(lower_lanes<Step>(v[2 * i], v[2 * i + 1], lanes),
                            upper_lanes<Step>(v[2 * i], v[2 * i + 1], lanes));
        return joined_lanes<2 * Step>(pairs, join);
    }
}

// Lane i is the sum of the lanes of v[i].
inline f64v lane_sums(const f64v *v) {
    return joined_lanes(v, [](f64v a, f64v b) { return a + b; });
}

inline f32v broadcast(float a) {
#if defined(__AVX512F__)
    return (f32v)_mm512_set1_ps(a);
#elif defined(__AVX2__)
    return (f32v)_mm256_set1_ps(a);
#elif defined(__SSE2__)
    return (f32v)_mm_set1_ps(a);
#elif defined(__aarch64__)
    return (f32v)vdupq_n_f32(a);
#else
    return f32v{a, a, a, a};
#endif
}

// a * b + c, rounded once where the instruction set can, twice on the x86-64 baseline.
inline f64v fma(f64v a, f64v b, f64v c) {
#if defined(__AVX512F__)
    return (f64v)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__AVX2__)
    return (f64v)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(__aarch64__)
    return (f64v)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
    return a * b + c;
#endif
}

inline f32v fma(f32v a, f32v b, f32v c) {
#if defined(__AVX512F__)
    return (f32v)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
    return (f32v)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
    return (f32v)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

// GCC warns of the unmasked intrinsics of AVX-512, whose source it takes to be uninitialised.
inline f32v smaller(f32v a, f32v b) {
#if defined(__AVX512F__)
    return (f32v)_mm512_maskz_min_ps(0xffff, (__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (f32v)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
    return (f32v)_mm_min_ps((__m128)a, (__m128)b);
#else
    return a < b ? a : b;
#endif
}

inline f32v larger(f32v a, f32v b) {
#if defined(__AVX512F__)
    return (f32v)_mm512_maskz_max_ps(0xffff, (__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (f32v)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
    return (f32v)_mm_max_ps((__m128)a, (__m128)b);
#else
    return a > b ? a : b;
#endif
}

// What all lanes are joined to.
template <int Step = kF32 / 2, class Join>
inline float joined(f32v v, Join join) {
    if constexpr (Step == 0) {
        return v[0];
    } else {
        const auto rotate = [&]<std::size_t... Lane>(std::index_sequence<Lane...>) {
            return __builtin_shufflevector(v, v, int((Lane + Step) % kF32)...);
        };
        return joined<Step / 2>(join(v, rotate(std::make_index_sequence<kF32>())), join);
    }
}

inline float smallest_lane(f32v v) {
    return joined(v, [](f32v a, f32v b) { return smaller(a, b); });
}

inline float largest_lane(f32v v) {
    return joined(v, [](f32v a, f32v b) { return larger(a, b); });
}

inline f64v smaller(f64v a, f64v b) {
#if defined(__AVX512F__)
    return (f64v)_mm512_maskz_min_pd(0xff, (__m512d)a, (__m512d)b);
#elif defined(__AVX2__)
    return (f64v)_mm256_min_pd((__m256d)a, (__m256d)b);
#elif defined(__SSE2__)
    return (f64v)_mm_min_pd((__m128d)a, (__m128d)b);
#else
    return a < b ? a : b;
#endif
}

inline f64v larger(f64v a, f64v b) {
#if defined(__AVX512F__)
    return (f64v)_mm512_maskz_max_pd(0xff, (__m512d)a, (__m512d)b);
#elif defined(__AVX2__)
    return (f64v)_mm256_max_pd((__m256d)a, (__m256d)b);
#elif defined(__SSE2__)
    return (f64v)_mm_max_pd((__m128d)a, (__m128d)b);
#else
    return a > b ? a : b;
#endif
}

inline f64v square_root(f64v a) {
#if defined(__AVX512F__)
    return (f64v)_mm512_maskz_sqrt_pd(0xff, (__m512d)a);
#elif defined(__AVX2__)
    return (f64v)_mm256_sqrt_pd((__m256d)a);
#elif defined(__SSE2__)
    return (f64v)_mm_sqrt_pd((__m128d)a);
#elif defined(__aarch64__)
    return (f64v)vsqrtq_f64((float64x2_t)a);
#else
    for (int lane = 0; lane < kF64; lane++) a[lane] = __builtin_sqrt(a[lane]);
    return a;
#endif
}

inline f32v square_root(f32v a) {
#if defined(__AVX512F__)
    return (f32v)_mm512_maskz_sqrt_ps(0xffff, (__m512)a);
#elif defined(__AVX2__)
    return (f32v)_mm256_sqrt_ps((__m256)a);
#elif defined(__SSE2__)
    return (f32v)_mm_sqrt_ps((__m128)a);
#elif defined(__aarch64__)
    return (f32v)vsqrtq_f32((float32x4_t)a);
#else
    for (int lane = 0; lane < kF32; lane++) a[lane] = __builtin_sqrtf(a[lane]);
    return a;
#endif
}

// Lane l is table[places[l]].
inline f32v gather(const float *table, i32v places) {
#if defined(__AVX512F__)
    return (f32v)_mm512_mask_i32gather_ps(_mm512_setzero_ps(), 0xffff, (__m512i)places, table, 4);
#elif defined(__AVX2__)
    return (f32v)_mm256_i32gather_ps(table, (__m256i)places, 4);
#else
    f32v found{};
    for (int lane = 0; lane < kF32; lane++) found[lane] = table[places[lane]];
    return found;
#endif
}

inline f32v magnitude(f32v a) { return (f32v)((i32v)a & 0x7fffffff); }

inline f64v magnitude(f64v a) { return (f64v)((i64v)a & 0x7fffffffffffffffLL); }

// The integers nearest to the lanes, which are below 2^22; rest is what is left of these.
inline i32v nearest_integers(f32v a, f32v &rest) {
    const f32v magic = broadcast(0x1.8p23F), whole = a + magic;
    rest = a - (whole - magic);
    return (i32v)whole - (i32v)magic;
}

// Whether products of 16-bit integers cost less than those of float32.
#if defined(__SSE2__)
constexpr bool kPairs = true;
#else
constexpr bool kPairs = false;
#endif

// sum + a[0] b[0] + a[1] b[1] in each lane, of 16-bit integers in pairs.
inline i32v add_products(i32v sum, i32v a, i32v b) {
#if defined(__AVX512VNNI__)
    return (i32v)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return sum + (i32v)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
    return sum + (i32v)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
    typedef short i16v __attribute__((vector_size(kVectorBytes)));
    const i16v x = (i16v)a, y = (i16v)b;
    for (int i = 0; i < kF32; i++) sum[i] += x[2 * i] * y[2 * i] + x[2 * i + 1] * y[2 * i + 1];
    return sum;
#endif
}

// Whether that costs no more than a branch that is mispredicted.
#if defined(__AVX512F__)
constexpr bool kSelects = true;
#else
constexpr bool kSelects = false;
#endif

// Stores the lanes whose bits are set next to each other, and whatever after them up to a whole vector.
// The place may be one that was read before.
template <class Vector, class Scalar>
inline void store_selected(Scalar *p, Vector v, unsigned lanes) {
    static_assert(sizeof(Scalar) == 4);
#if defined(__AVX512F__)
    store(p, (f32v)_mm512_maskz_compress_ps(__mmask16(lanes), (__m512)v));
#else
    Scalar values[kF32];
    std::memcpy(values, &v, sizeof v);
    int count = 0;
    for (int lane = 0; lane < kF32; lane++) {
        p[count] = values[lane];
        count += lanes >> lane & 1;
    }
#endif
}

// Bit i is set where a[i] is not 0.
inline unsigned any_bits(i32v a) {
#if defined(__AVX512F__)
    return _mm512_test_epi32_mask((__m512i)a, (__m512i)a);
#elif defined(__AVX2__)
    return unsigned(_mm256_movemask_ps((__m256)(a != 0)));
#elif defined(__SSE2__)
    return unsigned(_mm_movemask_ps((__m128)(a != 0)));
#else
    unsigned bits = 0;
    for (int i = 0; i < kF32; i++) bits |= unsigned(a[i] != 0) << i;
    return bits;
#endif
}

// Bit i is set where a[i] <= b[i].
inline unsigned at_most(f32v a, f32v b) {
#if defined(__AVX512F__)
    return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LE_OQ);
#elif defined(__AVX2__)
    return unsigned(_mm256_movemask_ps(_mm256_cmp_ps((__m256)a, (__m256)b, _CMP_LE_OQ)));
#elif defined(__SSE2__)
    return unsigned(_mm_movemask_ps(_mm_cmple_ps((__m128)a, (__m128)b)));
#else
    unsigned bits = 0;
    for (int i = 0; i < kF32; i++) bits |= unsigned(a[i] <= b[i]) << i;
    return bits;
#endif
}

inline unsigned at_most(f64v a, f64v b) {
#if defined(__AVX512F__)
    return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_LE_OQ);
#elif defined(__AVX2__)
    return unsigned(_mm256_movemask_pd(_mm256_cmp_pd((__m256d)a, (__m256d)b, _CMP_LE_OQ)));
#elif defined(__SSE2__)
    return unsigned(_mm_movemask_pd(_mm_cmple_pd((__m128d)a, (__m128d)b)));
#else
    return unsigned(a[0] <= b[0]) | unsigned(a[1] <= b[1]) << 1;
#endif
}

}  // namespace rmodels::RMODELS_ISA
