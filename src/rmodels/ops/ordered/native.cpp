#include "ops/ordered/native.hpp"

#include <algorithm>

#include "native/threads.hpp"

namespace rmodels::RMODELS_ISA {

template <class Real>
bool Walks<Real>::run(const RowSet<Real> &samples, std::size_t rows, int threads) {
    parallel_for(each_.size(), threads, [&](std::size_t problem, int) {
        Walk<Real> &walk = each_[problem];
        for (std::size_t left = rows; left && !walk.ended() && !walk.waits();) {
            left -= walk.advance(samples, left);
            if (walk.met(samples.count)) walk.end_epoch();
        }
    });
    return std::any_of(each_.begin(), each_.end(), [](auto &walk) { return !walk.ended() && !walk.waits(); });
}

template <class Real>
void Walks<Real>::step(const RowSet<Real> &samples, int threads) {
    parallel_for(each_.size(), threads, [&](std::size_t problem, int) {
        Walk<Real> &walk = each_[problem];
        if (walk.ended()) return;
        walk.advance(samples, samples.count);
        walk.rewind();
    });
}

template class Walks<float>;
template class Walks<double>;

}  // namespace rmodels::RMODELS_ISA
