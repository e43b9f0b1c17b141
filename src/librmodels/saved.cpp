// Models that rmodels.save wrote: a line with a checksum, a line of JSON, and safetensors. See rmodels/files.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#include "json.hpp"
#include "library.hpp"
#include "sha256.hpp"

namespace rmodels {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors are little-endian");

[[noreturn]] void fail(const std::string &what) { throw std::invalid_argument(what); }

// Classes that predict X coefficients' + intercept.
const char *const kLinear[] = {"ElasticNet",
                               "ElasticNetCV",
                               "Lasso",
                               "LassoCV",
                               "LinearRegression",
                               "MultiTaskElasticNet",
                               "MultiTaskElasticNetCV",
                               "MultiTaskLasso",
                               "MultiTaskLassoCV",
                               "Ridge",
                               "RidgeCV",
                               "SGDRegressor"};

// An array of numbers or of text, in row-major order.
struct Array {
    std::vector<std::size_t> shape;
    std::vector<double> numbers;
    std::vector<std::string> text;  // of text, and of whole numbers and truths as Python prints them
    bool single = false;
    bool plain = false;  // a number of Python's, which decides no dtype

    std::size_t size() const {
        std::size_t found = 1;
        for (std::size_t each : shape) found *= each;
        return found;
    }
};

// A file in parts, whose checksum is right.
class File {
public:
    explicit File(const std::string &content) {
        const std::size_t first = content.find('\n');
        if (content.rfind("rmodels ", 0) != 0) fail("it does not begin with 'rmodels'");
        if (first == std::string::npos || first > 128) fail("its first line is not whole");
        std::istringstream line(content.substr(8, first - 8));
        std::string version, digest;
        unsigned long long size = 0;
        line >> version >> digest >> size;
        if (version != "1") fail("it has format version " + version + ", and this library reads version 1");
        const std::string rest = content.substr(first + 1);
        if (line.fail() || rest.size() != size) fail("it is truncated, or something follows its end");
        if (sha256(rest) != digest) fail("it was altered after it was written: its checksum does not match");
        const std::size_t second = rest.find('\n');
        if (second == std::string::npos || rest.size() - second < 9) fail("it has no arrays");
        description_ = parse_json(rest.substr(0, second));
        std::uint64_t header;
        std::memcpy(&header, rest.data() + second + 1, 8);
        if (header > rest.size() - second - 9) fail("its arrays are not whole");
        names_ = parse_json(rest.substr(second + 9, header));
        data_ = rest.substr(second + 9 + header);
    }

    const Json &description() const { return description_; }

    Array read(const Json &node) const;

private:
    const char *bytes(const std::string &name, std::size_t size) const {
        const Json &offsets = names_.at(name, Json::Kind::object).at("data_offsets", Json::Kind::list);
        if (offsets.items.size() != 2) fail("the place of an array is wrong");
        const std::size_t from = offsets.items[0].as_size(), to = offsets.items[1].as_size();
        if (to > data_.size() || from > to || to - from != size) fail("the array '" + name + "' is not whole");
        return data_.data() + from;
    }

    Json description_, names_;
    std::string data_;
};

template <class Number>
Number read_number(const char *at) {
    Number value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

template <class Number>
void read_numbers(const char *at, std::size_t count, Array &array) {
    for (std::size_t i = 0; i < count; i++) {
        const Number value = read_number<Number>(at + i * sizeof(Number));
        array.numbers.push_back(double(value));
        if constexpr (std::is_integral_v<Number>) array.text.push_back(std::to_string(value));
    }
}

std::string utf8(const char *at, std::size_t length) {
    std::string text;
    for (std::size_t i = 0; i < length; i++) {
        const auto code = read_number<std::uint32_t>(at + 4 * i);
        if (!code) break;
        append_utf8(text, code);
    }
    return text;
}

Array File::read(const Json &node) const {
    Array array;
    if (node.kind == Json::Kind::number) {
        array.numbers = {node.as_double()};
        array.plain = true;
        return array;
    }
    if (const Json *scalar = node.find("scalar")) return read(*scalar);
    for (const Json &each : node.at("shape", Json::Kind::list).items) {
        array.shape.push_back(each.as_size());
        if (array.shape.back() > data_.size()) fail("an array has more values than the file");
    }
    const std::size_t count = array.size();
    if (const Json *objects = node.find("objects")) {
        if (objects->items.size() != count) fail("objects are missing");
        for (const Json &each : objects->items) {
            if (each.kind != Json::Kind::text && each.kind != Json::Kind::number)
                fail("labels are neither text nor numbers");
            array.text.push_back(each.text);
        }
        return array;
    }
    const std::string name = node.at("array", Json::Kind::text).text, dtype = node.at("dtype", Json::Kind::text).text;
    if (dtype.size() < 3 || dtype[0] == '>') fail("arrays of dtype " + dtype + " are not read");
    const std::size_t width = std::size_t(std::strtoull(dtype.c_str() + 2, nullptr, 10));
    const char kind = dtype[1];
    const std::size_t item = kind == 'U' ? 4 * width : width;
    if (item && count > data_.size() / item) fail("an array has more values than the file");
    const char *at = bytes(name, item * count);
    if (kind == 'f' && width == 8)
        read_numbers<double>(at, count, array);
    else if (kind == 'f' && width == 4)
        read_numbers<float>(at, count, array);
    else if (kind == 'i' && width == 8)
        read_numbers<std::int64_t>(at, count, array);
    else if (kind == 'i' && width == 4)
        read_numbers<std::int32_t>(at, count, array);
    else if (kind == 'i' && width == 2)
        read_numbers<std::int16_t>(at, count, array);
    else if (kind == 'i' && width == 1)
        read_numbers<std::int8_t>(at, count, array);
    else if (kind == 'u' && width == 8)
        read_numbers<std::uint64_t>(at, count, array);
    else if (kind == 'u' && width == 4)
        read_numbers<std::uint32_t>(at, count, array);
    else if (kind == 'u' && width == 2)
        read_numbers<std::uint16_t>(at, count, array);
    else if (kind == 'u' && width == 1)
        read_numbers<std::uint8_t>(at, count, array);
    else if (kind == 'b')
        for (std::size_t i = 0; i < count; i++) array.text.push_back(at[i] ? "True" : "False");
    else if (kind == 'U')
        for (std::size_t i = 0; i < count; i++) array.text.push_back(utf8(at + i * item, width));
    else
        fail("arrays of dtype " + dtype + " are not read");
    array.single = kind == 'f' && width == 4;
    if (node.at("order", Json::Kind::text).text == "F" && array.shape.size() == 2) {  // to row-major
        const std::size_t rows = array.shape[0], columns = array.shape[1];
        std::vector<double> turned(array.numbers.size());
        for (std::size_t i = 0; i < rows && !turned.empty(); i++)
            for (std::size_t j = 0; j < columns; j++) turned[i * columns + j] = array.numbers[j * rows + i];
        array.numbers = std::move(turned);
    }
    return array;
}

Array read_attribute(const File &file, const Json &attributes, const std::string &name) {
    const Json *node = attributes.find(name);
    if (!node) fail("its '" + name + "' is missing");
    Array found = file.read(*node);
    for (double value : found.numbers)
        if (!std::isfinite(value)) fail("its '" + name + "' is not finite");
    return found;
}

Linear read_linear(const File &file, const Json &attributes) {
    const Array coef = read_attribute(file, attributes, "coef_"),
                intercept = read_attribute(file, attributes, "intercept_");
    Linear linear;
    if (coef.shape.empty() || coef.shape.size() > 2 || coef.numbers.size() != coef.size())
        fail("its coefficients are wrong");
    linear.features = coef.shape.back();
    linear.targets = coef.shape.size() == 2 ? coef.shape[0] : 1;
    linear.coefficients = coef.numbers;
    linear.rounds = coef.single && (intercept.single || intercept.plain);
    linear.intercepts = intercept.numbers;
    if (linear.intercepts.size() == 1) linear.intercepts.resize(linear.targets, linear.intercepts[0]);
    if (!linear.features || linear.intercepts.size() != linear.targets)
        fail("its coefficients and intercepts do not fit together");
    return linear;
}

Neighbors::Given read_neighbors(const File &file, const Json &parameters, const Json &attributes, bool classifies) {
    const Json &search = attributes.at("_search", Json::Kind::object);
    const Json *weights = attributes.find("_sample_weight"), *how = parameters.find("weights");
    if (weights && !weights->is_null()) fail("its points have weights, which this library does not read");
    if (search.at("part", Json::Kind::text).text != "Indexed")
        fail("its metric is computed by SciPy, which this library is without");
    const Json &fields = search.at("fields", Json::Kind::object);
    const Array X = file.read(fields.at("X", Json::Kind::object)), y = read_attribute(file, attributes, "_y");
    if (X.shape.size() != 2 || X.numbers.empty()) fail("its points are wrong");
    Neighbors::Given given;
    given.n = X.shape[0], given.d = X.shape[1];
    if (X.single)
        given.singles.assign(X.numbers.begin(), X.numbers.end());
    else
        given.doubles = X.numbers;
    for (double value : X.numbers)
        if (!std::isfinite(value)) fail("its points are not finite");
    given.metric = fields.at("metric", Json::Kind::text).text;
    const Json *p = fields.find("p");
    if (p && p->kind == Json::Kind::number) given.p = p->as_double();
    given.k = parameters.at("n_neighbors", Json::Kind::number).as_size();
    given.by_distance = how && how->text == "distance";
    if (!given.k || given.k > given.n || !(given.p > 0)) fail("its parameters are wrong");
    if (y.shape.empty() || y.shape.size() > 2 || y.shape[0] != given.n || y.numbers.size() != y.size())
        fail("its targets do not fit its points");
    if (!classifies) {
        given.targets = y.shape.size() == 2 ? y.shape[1] : 1;
        given.Y = y.numbers;
        given.rounds = y.single && !given.by_distance;
        return given;
    }
    const Json *classes = attributes.find("classes_");
    if (y.numbers.size() != given.n || !classes || classes->kind != Json::Kind::object)
        fail("it tells classes of several targets, which this library does not read");
    const Array labels = file.read(*classes);
    given.classes = labels.size();
    for (std::size_t i = 0; i < given.classes; i++) {
        char buffer[32];
        if (labels.text.empty()) std::snprintf(buffer, sizeof buffer, "%.17g", labels.numbers[i]);
        given.labels.push_back(labels.text.empty() ? buffer : labels.text[i]);
    }
    for (double code : y.numbers) {
        if (code < 0 || code >= double(given.classes) || code != std::floor(code))
            fail("its targets are no places of classes");
        given.codes.push_back(std::int64_t(code));
    }
    return given;
}

std::unique_ptr<rmodels_model> make_model(const File &file) {
    const Json &description = file.description();
    const std::string name = description.at("class", Json::Kind::text).text;
    const Json &parameters = description.at("parameters", Json::Kind::object);
    const Json &attributes = description.at("attributes", Json::Kind::object);
    if (const Json *prepared = attributes.find("_preparation"); prepared && !prepared->is_null())
        fail("it makes numbers of text, or fills gaps in, which this library does not do");
    auto made = std::make_unique<rmodels_model>();
    std::size_t features;
    if (std::find(std::begin(kLinear), std::end(kLinear), name) != std::end(kLinear)) {
        made->linear = std::make_unique<Linear>(read_linear(file, attributes));
        features = made->linear->features;
    } else if (name == "KNeighborsRegressor" || name == "KNeighborsClassifier") {
        Neighbors::Given given = read_neighbors(file, parameters, attributes, name == "KNeighborsClassifier");
        features = given.d;
        made->neighbors = std::make_unique<Neighbors>(std::move(given), 1);
    } else {
        fail("it is a " + name + ", which this library does not read");
    }
    if (features != attributes.at("n_features_in_", Json::Kind::number).as_size())
        fail("its columns do not fit together");
    return made;
}

}  // namespace

std::unique_ptr<rmodels_model> load_model(const std::string &path) {
    std::ifstream stream(path, std::ios::binary);
    std::ostringstream content;
    if (stream) content << stream.rdbuf();
    if (!stream || content.str().empty()) throw Error(RMODELS_NO_FILE, path + " cannot be read, or is empty");
    try {
        return make_model(File(content.str()));
    } catch (const std::invalid_argument &error) {
        throw Error(RMODELS_NO_FILE, path + " is not a model that can be read: " + error.what());
    }
}

}  // namespace rmodels
