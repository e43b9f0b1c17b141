// Elementary functions of vectors: what float64 has exactly, and others within 2 units in the last place.
#pragma once

#include "native/vectors.hpp"

namespace rmodels::RMODELS_ISA {

// a * b + c of numbers, rounded as in vectors.
inline double fma(double a, double b, double c) {
#if defined(__FMA__) || defined(__aarch64__)
    return __builtin_fma(a, b, c);
#else
    return a * b + c;
#endif
}

// A number as itself, or in all lanes of a vector.
template <class V>
inline V spread(double x) {
    if constexpr (sizeof(V) == sizeof(double))
        return x;
    else
        return broadcast(x);
}

// 2^k of integers k from -1022 to 1023.
inline f64v power_of_two(f64v k) {
    constexpr double kBias = 0x1.8p52 + 1023;  // k + 1023 in the last bits
    return (f64v)((i64v)(k + broadcast(kBias)) << 52);
}

inline double power_of_two(double k) {
    return __builtin_bit_cast(double, __builtin_bit_cast(long long, k + (0x1.8p52 + 1023)) << 52);
}

// The nearest integer to an x below 2^51 in magnitude.
inline f64v nearest_integer(f64v x) {
    const f64v large = broadcast(0x1.8p52);
    return (x + large) - large;
}

// exp x = 2^k exp r with r = x − k log 2, by the series of exp r to r^13 / 13!.
inline f64v exp(f64v x) {
    const f64v least = broadcast(-746.0), most = broadcast(710.0);
    x = x < least ? least : x;
    x = x > most ? most : x;
    const f64v k = nearest_integer(x * broadcast(0x1.71547652b82fep0));
    f64v r = x - k * broadcast(0x1.62e42feep-1);  // exact: the factor has 32 bits
    r = fma(k, broadcast(-0x1.a39ef35793c76p-33), r);
    constexpr double kFactors[] = {1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880,
                                   1.0 / 40320,     1.0 / 5040,     1.0 / 720,     1.0 / 120,
                                   1.0 / 24,        1.0 / 6,        1.0 / 2};
    f64v sum = broadcast(1.0 / 6227020800.0);
    for (double factor : kFactors) sum = fma(sum, r, broadcast(factor));
    const f64v found = broadcast(1.0) + fma(sum, r * r, r);
    const f64v half = nearest_integer(k * broadcast(0.5));
    return found * power_of_two(half) * power_of_two(k - half);
}

// exp x of an x or a vector of them up to 0, to r^13 / 13! in pairs, so that little waits for each other. The same bits
// alone and in a vector.
template <class V>
[[gnu::always_inline]] inline V exp_of_negative(V x) {
    const auto of = [](double value) { return spread<V>(value); };
    const auto pair = [&](double first, V r, double second) { return fma(r, of(1 / second), of(1 / first)); };
    const V least = of(-746.0), large = of(0x1.8p52);
    x = x < least ? least : x;
    const V k = fma(x, of(0x1.71547652b82fep0), large) - large;
    const V r = fma(k, of(-0x1.a39ef35793c76p-33), fma(k, of(-0x1.62e42feep-1), x));  // as above
    const V s = r * r, q = s * s;
    const V b = pair(24, r, 120), c = pair(720, r, 5040), d = pair(40320, r, 362880);
    const V e = pair(3628800, r, 39916800), f = pair(479001600, r, 6227020800);
    const V rest = fma(fma(fma(s, f, e), s, d), q, fma(s, c, b));
    const V found = of(1.0) + fma(s, fma(s, rest, pair(2, r, 6)), r);
    if constexpr (sizeof(V) == sizeof(double))
        if (x >= -708.0) [[likely]]
            return found * power_of_two(k);
    const V half = (k * of(0.5) + large) - large;
    return found * power_of_two(half) * power_of_two(k - half);
}

// log(1 + x) of x from 0 to 1: 2 artanh t with t = x / (2 + x), by its series to t^35 / 35.
inline f64v log1p_of_fraction(f64v x) {
    const f64v t = x / (x + broadcast(2.0)), s = t * t;
    f64v sum = broadcast(1.0 / 35);
    for (int n = 33; n > 1; n -= 2) sum = fma(sum, s, broadcast(1.0 / n));
    const f64v twice = t + t;
    return fma(twice * s, sum, twice);
}

}  // namespace rmodels::RMODELS_ISA
