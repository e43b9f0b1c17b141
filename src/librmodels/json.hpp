// JSON as model files have it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace rmodels {

// A value; numbers keep their text.
struct Json {
    enum class Kind { null, truth, number, text, list, object };

    Kind kind = Kind::null;
    bool truth = false;
    std::string text;                                 // of text, in UTF-8, or of a number
    std::vector<Json> items;                          // of a list
    std::vector<std::pair<std::string, Json>> pairs;  // of an object

    // What an object has by a name; null stands for nothing, and for what is no object.
    const Json *find(const std::string &name) const;

    // The same; throws std::invalid_argument if it is not there, or of another kind.
    const Json &at(const std::string &name, Kind kind) const;

    bool is_null() const { return kind == Kind::null; }
    double as_double() const;
    std::size_t as_size() const;
};

// Adds a character to text in UTF-8.
void append_utf8(std::string &text, std::uint32_t code);

// Throws std::invalid_argument.
Json parse_json(const std::string &text);

}  // namespace rmodels
