#include "json.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace rmodels {
namespace {

[[noreturn]] void fail(const std::string &what) { throw std::invalid_argument("its JSON is not valid: " + what); }

class Parser {
public:
    explicit Parser(const std::string &text) : at_(text.data()), end_(text.data() + text.size()) {}

    Json whole() {
        Json found = value(0);
        skip();
        if (at_ != end_) fail("something follows it");
        return found;
    }

private:
    static constexpr int kDeepest = 200;

    void skip() {
        while (at_ != end_ && std::strchr(" \t\r\n", *at_) && *at_) at_++;
    }

    bool take(char sign) {
        skip();
        if (at_ == end_ || *at_ != sign) return false;
        at_++;
        return true;
    }

    void need(char sign) {
        if (!take(sign)) fail(std::string("a ") + sign + " is missing");
    }

    bool word(const char *name) {
        const std::size_t size = std::strlen(name);
        if (std::size_t(end_ - at_) < size || std::memcmp(at_, name, size)) return false;
        at_ += size;
        return true;
    }

    Json value(int depth) {
        if (depth > kDeepest) fail("it is too deep");
        skip();
        if (at_ == end_) fail("it ends early");
        Json found;
        if (*at_ == '"') {
            found.kind = Json::Kind::text;
            found.text = string();
        } else if (take('[')) {
            found.kind = Json::Kind::list;
            if (take(']')) return found;
            do found.items.push_back(value(depth + 1));
            while (take(','));
            need(']');
        } else if (take('{')) {
            found.kind = Json::Kind::object;
            if (take('}')) return found;
            do {
                skip();
                std::string name = string();
                need(':');
                found.pairs.emplace_back(std::move(name), value(depth + 1));
            } while (take(','));
            need('}');
        } else if (word("null")) {
            found.kind = Json::Kind::null;
        } else if (word("true") || word("false")) {
            found.kind = Json::Kind::truth;
            found.truth = at_[-2] == 'u';
        } else {
            found.kind = Json::Kind::number;
            while (at_ != end_ && *at_ && std::strchr("+-.0123456789eE", *at_)) found.text += *at_++;
            if (found.text.empty()) fail("a value is missing");
        }
        return found;
    }

    std::uint32_t unit() {
        if (end_ - at_ < 4) fail("text ends early");
        char *last;
        const std::string digits(at_, 4);
        const auto found = std::uint32_t(std::strtoul(digits.c_str(), &last, 16));
        if (last != digits.c_str() + 4) fail("an escape is wrong");
        at_ += 4;
        return found;
    }

    std::string string() {
        need('"');
        std::string text;
        while (true) {
            if (at_ == end_) fail("text ends early");
            char sign = *at_++;
            if (sign == '"') return text;
            if (sign != '\\') {
                text += sign;
                continue;
            }
            if (at_ == end_) fail("text ends early");
            sign = *at_++;
            if (sign == 'u') {
                std::uint32_t code = unit();
                if (code >= 0xd800 && code < 0xdc00 && word("\\u"))
                    code = 0x10000 + ((code - 0xd800) << 10) + (unit() - 0xdc00);
                append_utf8(text, code);
                continue;
            }
            static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
            const char *place = std::strchr(from, sign);
            if (!sign || !place) fail("an escape is wrong");
            text += to[place - from];
        }
    }

    const char *at_, *end_;
};

}  // namespace

void append_utf8(std::string &text, std::uint32_t code) {
    const int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;  // bytes after the first
    text += more ? char((0xff00 >> (more + 1)) | (code >> (6 * more))) : char(code);
    for (int i = more - 1; i >= 0; i--) text += char(0x80 | ((code >> (6 * i)) & 0x3f));
}

const Json *Json::find(const std::string &name) const {
    for (const auto &[key, value] : pairs)
        if (key == name) return &value;
    return nullptr;
}

const Json &Json::at(const std::string &name, Kind wanted) const {
    const Json *found = find(name);
    if (!found || found->kind != wanted)
        throw std::invalid_argument("its '" + name + "' is missing, or of another kind");
    return *found;
}

double Json::as_double() const { return std::strtod(text.c_str(), nullptr); }

std::size_t Json::as_size() const {
    char *last;
    const unsigned long long found = std::strtoull(text.c_str(), &last, 10);
    if (kind != Kind::number || text[0] == '-' || *last)
        throw std::invalid_argument("'" + text + "' is no number of things");
    return std::size_t(found);
}

Json parse_json(const std::string &text) { return Parser(text).whole(); }

}  // namespace rmodels
