#include "bench/replay/recorded.h"

#include <cstdio>

namespace volley::bench {
namespace {

std::string prose(size_t size, std::string_view extra) {
  std::string text;
  for (size_t line = 0; text.size() < size; ++line) {
    text += "The quick brown fox jumps over the lazy dog, and then it does so again";
    if (line % 8 == 3) text += " in {{city}}, dear {{first_name}}";
    if (line % 8 == 5) text += extra;
    text += ".\r\n";
  }
  return text;
}

std::string hex(uint64_t number) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx",
                static_cast<unsigned long long>(number * 2654435761U));
  return text;
}

}  // namespace

const std::array<std::string_view, 8> kRefusals = {
    "550-5.1.1 The email account that you tried to reach does not exist. Please try\r\n"
    "550-5.1.1 double-checking the recipient's email address for typos or\r\n"
    "550 5.1.1 unnecessary spaces. For more information, go to https://example.com/?p=NoSuchUser - "
    "gsmtp\r\n",
    "421-4.7.0 Our system has detected an unusual rate of unsolicited mail originating from\r\n"
    "421 4.7.0 your IP address. To protect our users, mail has been temporarily rate limited.\r\n",
    "450 4.2.0 <ann@example.net>: Recipient address rejected: Greylisted, see "
    "https://example.org/greylisting\r\n",
    "452 4.2.2 The email account that you tried to reach is over quota.\r\n",
    "550 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.example.org\r\n",
    "554 5.7.1 This message has been reported as spam by other users.\r\n",
    "451 4.3.0 Temporary lookup failure\r\n",
    "552 5.2.2 Mailbox full\r\n",
};

const std::vector<std::string>& columns() {
  static const std::vector<std::string> names = {"email", "first_name", "last_name", "city",
                                                 "token"};
  return names;
}

message::Content campaign(std::string_view text_extra, std::string_view html_extra) {
  message::Content c;
  c.id = "bench";
  c.from = "Example News <news@example.com>";
  c.to = "{{first_name}} {{last_name}}";
  c.subject = "Hello {{first_name}}";
  c.text = message::PartText{"news.txt", "Dear {{first_name}},\r\n" + prose(1300, text_extra)};
  c.html = message::PartText{"news.html", "<html><body><p>Dear {{first_name}},</p>\r\n" +
                                              prose(2500, html_extra) + "</body></html>\r\n"};
  c.list_unsubscribe = {"https://example.com/u?t={{token}}"};
  return c;
}

std::array<std::string_view, 5> Person::views() const {
  return {values[0], values[1], values[2], values[3], values[4]};
}

Person person(uint64_t number, std::string_view domain) {
  char local[32];
  std::snprintf(local, sizeof local, "subscriber%07llu@", static_cast<unsigned long long>(number));
  return {{local + std::string(domain), "First" + std::to_string(number % 9973),
           "Lastname" + std::to_string(number % 7919), "City" + std::to_string(number % 997),
           hex(number)}};
}

std::string csv(uint64_t rows, uint64_t domains) {
  std::string text = "email,first_name,last_name,city,token\n";
  for (uint64_t i = 0; i < rows; ++i) {
    const Person p = person(i, "domain" + std::to_string(i % domains) + ".example.net");
    for (size_t column = 0; column < p.values.size(); ++column) {
      if (column > 0) text += ',';
      text += p.values[column];
    }
    text += '\n';
  }
  return text;
}

void add_recipient(queue::ChunkBuilder& builder, uint64_t number, const Person& person) {
  const auto values = person.views();
  queue::Recipient recipient;
  recipient.number = number;
  recipient.address = values[0];
  recipient.values = values;
  recipient.enqueued_ms = 1'700'000'000'000;
  builder.add(recipient);
}

std::string chunk(uint64_t first_number, uint32_t recipients) {
  queue::ChunkBuilder builder;
  for (uint64_t number = first_number; number < first_number + recipients; ++number)
    add_recipient(builder, number, person(number));
  return builder.encode();
}

}  // namespace volley::bench
