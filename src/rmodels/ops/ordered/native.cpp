#include "ops/ordered/native.hpp"

#include <algorithm>
#include <functional>

#include "native/threads.hpp"

namespace rmodels::RMODELS_ISA {

template <class Real>
bool Walks<Real>::run(const RowSet<Real> &samples, std::size_t rows, int threads) {
    const auto goes_on = [](const Walk<Real> *walk) { return !walk->ended() && !walk->waits(); };
    std::vector<Walk<Real> *> going;
    for (Walk<Real> &walk : each_)
        if (goes_on(&walk)) going.push_back(&walk);
    // As few groups as there are lanes for, and as many for each thread.
    const std::size_t count = going.size(), shares = std::size_t(std::max(threads, 1));
    const std::size_t most = shares * (Walk<Real>::may_join(rule_, samples) ? kF64 : 1);
    const std::size_t groups = std::min(count, shares * ((count + most - 1) / most));
    parallel_for(groups, threads, [&](std::size_t group, int) {
        const auto begin = going.begin() + group * count / groups, end = going.begin() + (group + 1) * count / groups;
        std::vector<Walk<Real> *> walks(begin, end);
        for (std::size_t left = rows; left && !walks.empty(); std::erase_if(walks, std::not_fn(goes_on))) {
            const auto joins = [&](const Walk<Real> *walk) { return walk->joins(*walks[0]); };
            if (walks.size() > 1 && std::all_of(walks.begin(), walks.end(), joins)) {
                left -= Walk<Real>::advance_all(walks, samples, left);
                for (Walk<Real> *walk : walks)
                    if (walk->met(samples.count)) walk->end_epoch();
                continue;
            }
            for (Walk<Real> *walk : walks)
                for (std::size_t own = left; own && goes_on(walk);) {
                    own -= walk->advance(samples, own);
                    if (walk->met(samples.count)) walk->end_epoch();
                }
            return;
        }
    });
    return std::any_of(each_.begin(), each_.end(), [&](auto &walk) { return goes_on(&walk); });
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
