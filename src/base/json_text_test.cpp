// SPDX-License-Identifier: Apache-2.0
#include "base/json_text.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>

namespace vac {
namespace {

using namespace std::string_view_literals;

std::string round_trip(std::string_view text) { return to_json(parse_json(text).value()); }

TEST(JsonText, ReadsEveryKindOfValue) {
  const JsonValue value =
      parse_json(R"({"n":null,"b":true,"i":-12,"f":2.5e1,"s":"x","a":[1,"2",[]],"o":{}})").value();
  ASSERT_TRUE(value.is_object());
  EXPECT_TRUE(value.find("n")->is_null());
  EXPECT_EQ(value.find("b")->as_bool(), true);
  EXPECT_EQ(value.find("i")->as_i64(), -12);
  EXPECT_EQ(value.find("f")->as_f64(), 25.0);
  EXPECT_EQ(value.find("f")->number_text(), "2.5e1");
  EXPECT_EQ(*value.find("s")->as_string(), "x");
  ASSERT_EQ(value.find("a")->items().size(), 3u);
  EXPECT_TRUE(value.find("a")->items()[2].is_array());
  EXPECT_TRUE(value.find("o")->members().empty());
  EXPECT_EQ(value.find("missing"), nullptr);
}

TEST(JsonText, AsksOfTheWrongKindAnswerNothing) {
  const JsonValue text = JsonValue::string("1");
  EXPECT_FALSE(text.as_bool());
  EXPECT_FALSE(text.as_i64());
  EXPECT_FALSE(text.as_f64());
  EXPECT_EQ(text.number_text(), "");
  EXPECT_TRUE(text.items().empty());
  EXPECT_EQ(text.find("x"), nullptr);
  EXPECT_EQ(JsonValue().as_string(), nullptr);
  EXPECT_FALSE(parse_json("1.5").value().as_i64());
  EXPECT_FALSE(parse_json("9223372036854775808").value().as_i64());
  EXPECT_EQ(parse_json("-9223372036854775808").value().as_i64(), INT64_MIN);
  EXPECT_FALSE(parse_json("1e999").value().as_f64());
}

TEST(JsonText, WritesKeysSortedWithoutSpace) {
  EXPECT_EQ(round_trip(" { \"b\" : 1 ,\r\n\t\"a\" : [ 1 , { \"z\":0, \"y\":1 } ] } "),
            R"({"a":[1,{"y":1,"z":0}],"b":1})");
  EXPECT_EQ(round_trip(R"({"é":1,"z":2,"":3})"), R"({"":3,"z":2,"é":1})");
  EXPECT_EQ(round_trip("[]"), "[]");
  EXPECT_EQ(round_trip("-0.10E+2"), "-0.10E+2");
  EXPECT_EQ(round_trip("false"), "false");
}

TEST(JsonText, ResolvesEscapesAndWritesOnlyThoseThatMustBe) {
  EXPECT_EQ(round_trip(R"("\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\ude00")"),
            "\"\\\"\\\\/\\b\\f\\n\\r\\tAé€😀\"");
  EXPECT_EQ(round_trip(R"("\u0000\u001f\u007f")"), "\"\\u0000\\u001f\x7f\"");
  EXPECT_EQ(*parse_json(R"("a\u0000b")").value().as_string(), "a\0b"sv);
}

TEST(JsonText, TellsWhatIsWrongAndAtWhichByte) {
  struct Bad {
    std::string_view text;
    std::string_view message;
  };
  const Bad cases[] = {
      {"", "byte 0: a value is missing"},
      {"  ", "byte 2: a value is missing"},
      {"nul", "byte 0: a value should be here"},
      {"truefalse", "byte 4: the text should end here"},
      {"NaN", "byte 0: a value should be here"},
      {"'a'", "byte 0: a value should be here"},
      {"1 2", "byte 2: the text should end here"},
      {"01", "byte 0: a number must not start with a needless 0"},
      {"-01", "byte 1: a number must not start with a needless 0"},
      {"-", "byte 1: a digit should follow '-'"},
      {"+1", "byte 0: a value should be here"},
      {".5", "byte 0: a value should be here"},
      {"1.", "byte 2: a digit should follow '.'"},
      {"1.e3", "byte 2: a digit should follow '.'"},
      {"1e", "byte 2: the exponent has no digits"},
      {"1e+-1", "byte 3: the exponent has no digits"},
      {"0x1", "byte 1: the text should end here"},
      {"[1", "byte 2: ',' or ']' should be here"},
      {"[1,]", "byte 3: a value should be here"},
      {"[,1]", "byte 1: a value should be here"},
      {"[1}", "byte 2: ',' or ']' should be here"},
      {"{", "byte 1: a key in quotes should be here"},
      {"{\"a\"}", "byte 4: ':' should be here"},
      {"{\"a\":}", "byte 5: a value should be here"},
      {"{\"a\":1,}", "byte 7: a key in quotes should be here"},
      {"{a:1}", "byte 1: a key in quotes should be here"},
      {"{\"a\":1 \"b\":2}", "byte 7: ',' or '}' should be here"},
      {"{\"a\":1,\"b\":2,\"a\":3}", "byte 13: the key 'a' is here twice"},
      {"{\"a\":1,\"\\u0061\":3}", "byte 7: the key 'a' is here twice"},
      {"\"abc", "byte 0: the string does not end"},
      {"\"abc\\", "byte 4: the escape does not end"},
      {"\"\\x\"", "byte 1: there is no such escape"},
      {"\"\\u12\"", "byte 1: four hexadecimal digits should follow '\\u'"},
      {"\"\\u12g4\"", "byte 1: four hexadecimal digits should follow '\\u'"},
      {"\"\\u-123\"", "byte 1: four hexadecimal digits should follow '\\u'"},
      {"\"\\ud800\"", "byte 1: half of a surrogate pair"},
      {"\"\\ud800\\u0041\"", "byte 1: half of a surrogate pair"},
      {"\"\\ud800\\n\"", "byte 1: half of a surrogate pair"},
      {"\"\\udc00\"", "byte 1: half of a surrogate pair"},
      {"\"a\nb\"", "byte 2: a control character in a string must be escaped"},
      {"\"a\0b\""sv, "byte 2: a control character in a string must be escaped"},
      {"\"\xff\"", "byte 1: the bytes are not UTF-8"},
      {"\"\xed\xa0\x80\"", "byte 1: the bytes are not UTF-8"},
      {"\"\xc0\xaf\"", "byte 1: the bytes are not UTF-8"},
      {"\"\xe2\x82", "byte 1: the bytes are not UTF-8"},
      {"\xef\xbb\xbf{}", "byte 0: a byte order mark is not allowed"},
      {"// note\n1", "byte 0: a value should be here"},
      {"1\0"sv, "byte 1: the text should end here"},
  };
  for (const Bad& bad : cases) {
    const auto value = parse_json(bad.text);
    ASSERT_FALSE(value) << bad.text;
    EXPECT_EQ(value.error().code(), Errc::invalid);
    EXPECT_EQ(value.error().text(), concat("not valid JSON at ", bad.message)) << bad.text;
  }
}

TEST(JsonText, RefusesEveryTruncation) {
  const std::string_view text = R"({"a":[1.5e-3,true,null,{"k":"\ud83d\ude00 é"}],"b":-7})";
  ASSERT_TRUE(parse_json(text));
  for (std::size_t n = 0; n < text.size(); ++n) EXPECT_FALSE(parse_json(text.substr(0, n))) << n;
}

TEST(JsonText, KeepsItsLimits) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(parse_json(nested(32)));
  const auto deep = parse_json(nested(33));
  ASSERT_FALSE(deep);
  EXPECT_EQ(deep.error().text(),
            "not valid JSON at byte 32: more than 32 arrays and objects inside each other");
  EXPECT_FALSE(parse_json(std::string(60000, '[')));
  EXPECT_FALSE(parse_json(nested(2), {.most_depth = 1}));
  EXPECT_TRUE(parse_json("[[],[],[[]]]", {.most_depth = 3}));
  EXPECT_TRUE(parse_json(std::string(65535, ' ') + "1"));
  const auto large = parse_json(std::string(65536, ' ') + "1");
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code(), Errc::too_large);
  EXPECT_EQ(large.error().text(),
            "JSON text of 65537 bytes is too long: 65536 bytes are the limit");
}

TEST(JsonText, CanonicalObjectsAreEqualTexts) {
  EXPECT_EQ(canonical_json_object("").value(), "{}");
  EXPECT_EQ(canonical_json_object(R"({ "b":1, "a":"\u0041" })").value(),
            canonical_json_object(R"({"a":"A","b":1})").value());
  for (const std::string_view bad : {"[]", "1", "null", "\"x\""}) {
    EXPECT_EQ(canonical_json_object(bad).error().text(),
              "the JSON text is no object: write {\"key\": value, ...}");
  }
  EXPECT_FALSE(canonical_json_object(" "));
}

TEST(JsonText, CanonicalTextIsItsOwnCanonicalText) {
  std::mt19937 random(5);
  const std::string_view pieces[] = {"{",     "}", "[", "]",  ",",           ":",    "\"a\"",
                                     "\"b\"", "1", " ", "-0", "\"\\u00e9\"", "true", "null"};
  int accepted = 0;
  for (int i = 0; i < 50000; ++i) {
    std::string text;
    for (unsigned n = random() % 9; n > 0; --n) text += pieces[random() % std::size(pieces)];
    const auto value = parse_json(text);
    if (!value) continue;
    ++accepted;
    const std::string once = to_json(*value);
    EXPECT_EQ(round_trip(once), once) << text;
  }
  EXPECT_GT(accepted, 100);
}

TEST(JsonText, QuotesAnyBytes) {
  EXPECT_EQ(json_quote("a\"b\\c\n\x01 é"), "\"a\\\"b\\\\c\\n\\u0001 é\"");
  EXPECT_EQ(json_quote("x\xff\xc3"), "\"x\xef\xbf\xbd\xef\xbf\xbd\"");
  EXPECT_EQ(json_quote(""), "\"\"");
  for (int c = 0; c < 256; ++c) {
    EXPECT_TRUE(parse_json(json_quote(std::string(3, static_cast<char>(c))))) << c;
  }
}

TEST(JsonText, WriterPutsCommas) {
  JsonWriter out;
  out.begin_object().key("name").string("a\"b").key("list").begin_array();
  out.number(1).number(2.5).boolean(false).null().begin_object().end_object().json("{\"x\":1}");
  out.end_array().key("big").number(UINT64_MAX).key("e").begin_array().end_array().end_object();
  const std::string text = out.take();
  EXPECT_EQ(text, R"({"name":"a\"b","list":[1,2.5,false,null,{},{"x":1}],)"
                  R"("big":18446744073709551615,"e":[]})");
  EXPECT_TRUE(parse_json(text));
  EXPECT_EQ(out.number(3).take(), "3");
}

TEST(JsonText, WriterTurnsWhatIsNoNumberIntoNull) {
  JsonWriter out;
  out.begin_array().number(std::nan("")).number(std::numeric_limits<double>::infinity());
  out.number(1e300).number(0.1f).end_array();
  EXPECT_EQ(out.take(), "[null,null,1e+300,0.1]");
}

}  // namespace
}  // namespace vac
