#include "engine/intake/list_reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "tests/unit/temp_dir.h"

namespace volley::intake {
namespace {

struct Case {
  const char* name;
  const char* file;  // name of the list: its extension counts
  std::string text;
  const char* encoding;
  std::string expected;  // see dump(); "!" and the error's text for a fatal one
};

// Columns, then one line per row: number@line, its values between bars, or its problem and the raw row.
std::string dump(const std::string& path, const char* encoding, size_t step) {
  auto opened = ListReader::open(path, encoding, step);
  if (!opened) return "!" + opened.error().message.substr(opened.error().message.rfind('/') + 1);
  ListReader& reader = **opened;
  std::string out;
  for (const std::string& column : reader.columns()) out += "[" + column + "]";
  Row row;
  for (;;) {
    auto more = reader.next(row);
    if (!more.ok()) {
      return out + "\n!" + more.error().message.substr(more.error().message.rfind('/') + 1);
    }
    if (!*more) break;
    out += "\n" + std::to_string(row.number) + "@" + std::to_string(row.line) + " ";
    if (!row.problem.empty()) {
      out += std::string(row.problem) + ": " + std::string(row.raw);
      continue;
    }
    EXPECT_EQ(row.email, row.values[reader.email_column()]);
    for (std::string_view value : row.values) out += "|" + std::string(value);
    out += "|";
  }
  EXPECT_EQ(reader.bytes_read(), reader.bytes_total());
  const std::string bytes = TempDir::read(path);
  EXPECT_EQ(reader.fingerprint(), to_hex(Sha256::of(bytes)));
  return out;
}

class ListReaderTest : public testing::TestWithParam<Case> {};

// Every case with every size of read up to its own length: each boundary falls everywhere.
TEST_P(ListReaderTest, ReadsTheSameAtEveryBufferBoundary) {
  const TempDir directory;
  const std::string path = directory.write(GetParam().file, GetParam().text);
  ASSERT_EQ(dump(path, GetParam().encoding, size_t{1} << 20), GetParam().expected);
  for (size_t step = 1; step <= GetParam().text.size() + 1; ++step) {
    ASSERT_EQ(dump(path, GetParam().encoding, step), GetParam().expected) << "step " << step;
  }
}

using namespace std::string_literals;

const Case kCases[] = {
    {"plain", "l.csv", "email,name\na@example.com,Ann\nb@example.com,Bob\n", "utf-8",
     "[email][name]\n1@2 |a@example.com|Ann|\n2@3 |b@example.com|Bob|"},
    {"no_last_line_end", "l.csv", "email,name\na@example.com,Ann", "utf-8",
     "[email][name]\n1@2 |a@example.com|Ann|"},
    {"crlf", "l.csv", "email,name\r\na@example.com,Ann\r\n", "utf-8",
     "[email][name]\n1@2 |a@example.com|Ann|"},
    {"crlf_last_without_lf", "l.csv", "email,name\r\na@example.com,Ann\r", "utf-8",
     "[email][name]\n1@2 |a@example.com|Ann|"},
    {"byte_order_mark", "l.csv",
     "\xEF\xBB\xBF"
     "email,name\na@example.com,Ann\n",
     "utf-8", "[email][name]\n1@2 |a@example.com|Ann|"},
    {"mark_and_quoted_header", "l.csv", "\xEF\xBB\xBF\"email\",\"name\"\na@example.com,Ann\n",
     "utf-8", "[email][name]\n1@2 |a@example.com|Ann|"},
    {"semicolons", "l.csv", "email;name\na@example.com;Ann, the first\n", "utf-8",
     "[email][name]\n1@2 |a@example.com|Ann, the first|"},
    {"tabs", "l.tsv", "name\temail\nAnn, B;\ta@example.com\n", "utf-8",
     "[name][email]\n1@2 |Ann, B;|a@example.com|"},
    {"delimiter_by_email_column", "l.csv", "email,first;second;third\na@example.com,x;y;z\n",
     "utf-8", "[email][first;second;third]\n1@2 |a@example.com|x;y;z|"},
    {"delimiters_in_a_quoted_header", "l.csv", "\"a;b;c;d\",email\nx,a@example.com\n", "utf-8",
     "[a;b;c;d][email]\n1@2 |x|a@example.com|"},
    {"line_break_in_the_header", "l.csv", "email;\"first\nname\"\na@example.com;Ann\n", "utf-8",
     "[email][first\nname]\n1@3 |a@example.com|Ann|"},
    {"one_column", "l.csv", "email\na@example.com\n\nb@example.com\n", "utf-8",
     "[email]\n1@2 |a@example.com|\n2@4 |b@example.com|"},
    {"blank_lines", "l.csv", "\n\r\n  \nemail,name\n\n\r\n   \na@example.com,Ann\n\n", "utf-8",
     "[email][name]\n1@8 |a@example.com|Ann|"},
    {"quotes", "l.csv",
     "email,name\na@example.com,\"Ann \"\"the\"\" one\"\nb@example.com,\"\"\"\"\n", "utf-8",
     "[email][name]\n1@2 |a@example.com|Ann \"the\" one|\n2@3 |b@example.com|\"|"},
    {"doubled_in_two_fields", "l.csv", "email,a,b\na@example.com,\"1\"\"2\",\"3\"\"4\"\n", "utf-8",
     "[email][a][b]\n1@2 |a@example.com|1\"2|3\"4|"},
    {"empty_quoted", "l.csv", "email,name\n\"a@example.com\",\"\"\n", "utf-8",
     "[email][name]\n1@2 |a@example.com||"},
    {"delimiter_in_quotes", "l.csv", "email,name\na@example.com,\"Ann, B\"\n", "utf-8",
     "[email][name]\n1@2 |a@example.com|Ann, B|"},
    {"line_breaks_in_quotes", "l.csv",
     "email,note\r\na@example.com,\"1\r\n2\n\"\r\nb@example.com,x\r\n", "utf-8",
     "[email][note]\n1@2 |a@example.com|1\r\n2\n|\n2@5 |b@example.com|x|"},
    {"quoted_last_without_lf", "l.csv", "email,name\na@example.com,\"Ann\"", "utf-8",
     "[email][name]\n1@2 |a@example.com|Ann|"},
    {"quoted_last_cr_only", "l.csv", "email,name\na@example.com,\"Ann\"\r", "utf-8",
     "[email][name]\n1@2 |a@example.com|Ann|"},
    {"empty_last_field", "l.csv", "email,name\na@example.com,\nb@example.com,", "utf-8",
     "[email][name]\n1@2 |a@example.com||\n2@3 |b@example.com||"},
    {"quote_inside_a_plain_field", "l.csv", "email,size\na@example.com,5\" pipe\n", "utf-8",
     "[email][size]\n1@2 |a@example.com|5\" pipe|"},
    {"text_after_a_quote", "l.csv", "email,name\na@example.com,\"Ann\"x\nb@example.com,B\n",
     "utf-8",
     "[email][name]\n1@2 text after a closing quote: a@example.com,\"Ann\"x\n2@3 "
     "|b@example.com|B|"},
    {"carriage_return_after_a_quote", "l.csv",
     "email,name\na@example.com,\"Ann\"\rx\nb@example.com,B\n", "utf-8",
     "[email][name]\n1@2 text after a closing quote: a@example.com,\"Ann\"\rx\n2@3 "
     "|b@example.com|B|"},
    {"wrong_counts", "l.csv",
     "email,name,x\na@example.com\nb@example.com,1,2,3\nc@example.com,1,2\n", "utf-8",
     "[email][name][x]\n1@2 1 field where the header has 3: a@example.com\n"
     "2@3 4 fields where the header has 3: b@example.com,1,2,3\n3@4 |c@example.com|1|2|"},
    {"unterminated_quote", "l.csv",
     "email,name\na@example.com,Ann\nb@example.com,\"Bob\nc@example.com,C\n", "utf-8",
     "[email][name]\n1@2 |a@example.com|Ann|\n!l.csv:3: the quote that begins here is never "
     "closed"},
    {"unterminated_later_in_a_row", "l.csv", "email,n,m\na@example.com,\"1\n2\",\"3\n", "utf-8",
     "[email][n][m]\n!l.csv:3: the quote that begins here is never closed"},
    {"unterminated_header", "l.csv", "email,\"name\na@example.com,Ann\n", "utf-8",
     "!l.csv:1: the quote that begins here is never closed"},
    {"blanks_around_the_address", "l.csv", "email , name\n a@example.com\t, Ann\n", "utf-8",
     "[email][name]\n1@2 |a@example.com| Ann|"},
    {"not_utf8", "l.csv", "email,name\na@example.com,J\xFCrg\nb@example.com,J\xC3\xBCrg\n", "utf-8",
     "[email][name]\n1@2 not UTF-8: a@example.com,J\xFCrg\n2@3 |b@example.com|J\xC3\xBCrg|"},
    {"windows_1252", "l.csv", "email,name\na@example.com,J\xFCrg \x80\x81\n", "Windows-1252",
     "[email][name]\n1@2 |a@example.com|J\xC3\xBCrg \xE2\x82\xAC\xC2\x81|"},
    {"nul", "l.csv", "email,name\na@example.com,A\0n\nb@example.com,B\n"s, "utf-8",
     "[email][name]\n1@2 NUL byte: a@example.com,A\0n\n2@3 |b@example.com|B|"s},
    {"empty_file", "l.csv", "", "utf-8",
     "!l.csv:1: empty: a list starts with a header row that names its columns"},
    {"only_a_mark", "l.csv", "\xEF\xBB\xBF", "utf-8",
     "!l.csv:1: empty: a list starts with a header row that names its columns"},
    {"only_a_header", "l.csv", "name,email\n", "utf-8", "[name][email]"},
    {"no_email", "l.csv", "name,Email\nx,y\n", "utf-8",
     "!l.csv:1: no column `email`; there are `name`, `Email`; rename `Email` to `email`"},
    {"equal_columns", "l.csv", "email,a,a\n", "utf-8", "!l.csv:1: two columns are called `a`"},
    {"nameless_columns", "l.csv", "email,,\na@example.com,,\n", "utf-8",
     "[email][][]\n1@2 |a@example.com|||"},
    {"lone_carriage_returns", "l.csv", "email,name\ra@example.com,Ann\r", "utf-8",
     "!l.csv:1: a carriage return inside the header row; save the file with LF or CRLF line ends"},
    {"utf16", "l.csv",
     "\xFF\xFE"
     "e\0m\0"s,
     "utf-8", "!l.csv: this is UTF-16; save it as UTF-8"},
    {"unknown_encoding", "l.csv", "email\n", "latin-9",
     "!l.csv: unknown encoding \"latin-9\"; use \"utf-8\" or \"windows-1252\""},
    {"mark_against_encoding", "l.csv",
     "\xEF\xBB\xBF"
     "email\n",
     "windows-1252", "!l.csv: starts with a UTF-8 mark, but encoding is windows-1252"},

    {"json", "l.jsonl",
     "{\"email\":\"a@example.com\",\"n\":1.50,\"b\":true,\"z\":null}\n"
     "{\"n\":-12345678901234567890123,\"email\":\"b@example.com\"}\r\n",
     "utf-8",
     "[email][n][b][z]\n1@1 |a@example.com|1.50|true||\n2@2 "
     "|b@example.com|-12345678901234567890123|||"},
    {"json_by_first_byte", "l.txt", "{\"email\": \"a@example.com\"}", "utf-8",
     "[email]\n1@1 |a@example.com|"},
    {"json_escapes", "l.ndjson",
     " {\"email\":\"a@example.com\", \"n\" : \"\\u00fc\\n\\\"x\\\" \\ud83d\\ude00\"} \n\n", "utf-8",
     "[email][n]\n1@1 |a@example.com|\xC3\xBC\n\"x\" \xF0\x9F\x98\x80|"},
    {"json_problems", "l.jsonl",
     "{\"email\":\"a@example.com\",\"n\":\"x\"}\n{\"email\":\"b\",\"m\":1}\n{\"email\":\"b\",\"n\":"
     "[1]}\n{\"email\":\"b\",\"n\":{}}\n"
     "{\"email\":\"b\",\"email\":\"c\"}\n[1]\n{\"email\":\"b\"\n{\"email\":\"b\"}{}\n{\"email\":"
     "\"b\",\"n\":01}\n"
     "{\"email\":\"b\",\"n\":tru}\n{\"email\":\"\\ud800\"}\n{\"email\":\"b\xFF\"}\n\"x\"\n{\"n\":"
     "\"y\",\"email\":\"z\"}\n",
     "utf-8",
     "[email][n]\n1@1 |a@example.com|x|\n2@2 key \"m\" is not in the first object: "
     "{\"email\":\"b\",\"m\":1}\n"
     "3@3 nested value; only text, numbers, true, false and null are taken: "
     "{\"email\":\"b\",\"n\":[1]}\n"
     "4@4 nested value; only text, numbers, true, false and null are taken: "
     "{\"email\":\"b\",\"n\":{}}\n"
     "5@5 key \"email\" stands twice: {\"email\":\"b\",\"email\":\"c\"}\n6@6 not a JSON object: "
     "[1]\n"
     "7@7 not a JSON object: {\"email\":\"b\"\n8@8 text after the JSON object: "
     "{\"email\":\"b\"}{}\n"
     "9@9 not a JSON object: {\"email\":\"b\",\"n\":01}\n10@10 not a JSON object: "
     "{\"email\":\"b\",\"n\":tru}\n"
     "11@11 not a JSON object: {\"email\":\"\\ud800\"}\n12@12 not UTF-8: {\"email\":\"b\xFF\"}\n"
     "13@13 not a JSON object: \"x\"\n14@14 |z|y|"},
    {"json_no_email", "l.jsonl", "{\"mail\":\"x\"}\n", "utf-8",
     "!l.jsonl:1: no column `email`; there are `mail`"},
    {"json_first_broken", "l.jsonl", "\n{\"email\":\n", "utf-8",
     "!l.jsonl:2: the first object names the columns: not a JSON object"},
    {"json_first_key_twice", "l.jsonl", "{\"email\":\"a\",\"email\":\"b\"}\n", "utf-8",
     "!l.jsonl:1: two columns are called `email`"},
    {"json_empty", "l.jsonl", "\n \n", "utf-8",
     "!l.jsonl:1: empty: a list starts with an object that names its columns"},
    {"json_windows_1252", "l.jsonl", "{\"email\":\"a@example.com\",\"n\":\"\xE9\"}\n",
     "windows-1252", "[email][n]\n1@1 |a@example.com|\xC3\xA9|"},
};

INSTANTIATE_TEST_SUITE_P(Cases, ListReaderTest, testing::ValuesIn(kCases),
                         [](const auto& each) { return std::string(each.param.name); });

TEST(ListReader, SaysWhatIsWrongWithTheFile) {
  const TempDir directory;
  auto missing = ListReader::open(directory.file("none.csv"), "utf-8");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, Errc::kNoInput);
  EXPECT_NE(missing.error().message.find("none.csv: No such file"), std::string::npos);
  auto folder = ListReader::open(directory.file(""), "utf-8");
  ASSERT_FALSE(folder.ok());
  EXPECT_EQ(folder.error().code, Errc::kNoInput);
}

TEST(ListReader, DoesNotHoldRowsThatAreTooLong) {
  const TempDir directory;
  const std::string huge(3 << 20, 'x');
  for (const std::string& row :
       {"a@example.com," + huge, fmt::format("a@example.com,\"{}\n\"\"{}\"", huge, huge)}) {
    const std::string path = directory.write("l.csv", "email,n\n" + row + "\nb@example.com,y\n");
    const std::string got = dump(path, "utf-8", 100'000);
    EXPECT_EQ(got.substr(0, 60), "[email][n]\n1@2 row longer than 1 MiB: " + row.substr(0, 22));
    EXPECT_LT(got.size(), 400U);
    EXPECT_NE(got.find("|b@example.com|y|"), std::string::npos);
  }
  const std::string json = directory.write(
      "l.jsonl", "{\"email\":\"a\"}\n{\"email\":\"" + huge + "\"}\n{\"email\":\"b\"}\n");
  const std::string got = dump(json, "utf-8", 100'000);
  EXPECT_NE(got.find("2@2 row longer than 1 MiB"), std::string::npos);
  EXPECT_NE(got.find("\n3@3 |b|"), std::string::npos);
}

TEST(ListReader, FindsTheQuoteThatSwallowedALargeFile) {
  const TempDir directory;
  std::string text = "email,n\na@example.com,1\nb@example.com,\"x\n";
  for (int i = 0; i < 200'000; ++i) text += "c@example.com,1\n";
  const std::string got = dump(directory.write("l.csv", text), "utf-8", 100'000);
  EXPECT_EQ(
      got,
      "[email][n]\n1@2 |a@example.com|1|\n!l.csv:3: the quote that begins here is never closed");
}

TEST(ListReader, LimitsTheValuesOfARow) {
  const TempDir directory;
  const std::string fits = "a@example.com," + std::string(64 * 1024 - 13, 'x');
  const std::string path = directory.write("l.csv", "email,n\n" + fits + "\n" + fits + "x\n");
  const std::string got = dump(path, "utf-8", 5'000);
  EXPECT_NE(got.find("\n1@2 |a@example.com|xx"), std::string::npos);
  EXPECT_NE(got.find("\n2@3 more than 64 KiB of values: a@example.com,xx"), std::string::npos);
}

}  // namespace
}  // namespace volley::intake
