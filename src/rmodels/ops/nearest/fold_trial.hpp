// Which folds screen well, told by some of the points before any is packed.
#pragma once

#include <cstddef>
#include <vector>

#include "ops/nearest/collector.hpp"
#include "ops/nearest/packed.hpp"
#include "ops/nearest/tree.hpp"

namespace rmodels::RMODELS_ISA {

class FoldTrial {
public:
    // tree: null where every query looks at all points.
    FoldTrial(const Searched &searched, const Frame &frame, const Tree *tree);

    // Whether so many points stay open that comparing them exactly costs more than the screening.
    bool too_coarse(const Bounds &bounds) const;

private:
    struct Query {
        QuerySize size;
        double nearest;               // scaled square of the distance to its last neighbour, or more
        std::vector<double> squares;  // those of the distances to the sample
    };

    // How much rounding to pairs loses of a vector with such a square.
    double lost(double square) const;

    double features_, largest_;
    double share_;                        // points that one of the sample stands for
    std::vector<double> norms_, losses_;  // of the sample: scaled squares, and what rounding to pairs loses
    std::vector<Query> queries_;
    double screened_ = 0;  // points that all queries look at
};

}  // namespace rmodels::RMODELS_ISA
