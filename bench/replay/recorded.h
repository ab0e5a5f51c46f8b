// The input of replays and microbenchmarks: a campaign, its list, and what receivers said.
//
// Purpose  One campaign of 4 KiB messages (plain text as 7bit, HTML as quoted-printable for its accents), rows of about 100 bytes
//          at one domain, the replies of a Postfix 3.7 in their order, and refusals as large receivers word them.
// Thread   Pure: the same bytes in every run.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/message/content.h"
#include "queue/chunk.h"

namespace volley::bench {

const std::vector<std::string>& columns();  // of the list, `email` among them

// `extra` is put into every eighth line of both parts.
message::Content campaign(std::string_view text_extra, std::string_view html_extra);
inline constexpr std::string_view kAccents = " d\xC3\xA9j\xC3\xA0 vu";

struct Person {
  std::array<std::string, 5> values;  // one per column
  std::array<std::string_view, 5> views() const;
  const std::string& email() const { return values[0]; }
};
Person person(uint64_t number, std::string_view domain = "example.net");

std::string csv(uint64_t rows, uint64_t domains);
std::string chunk(uint64_t first_number, uint32_t recipients);
// Adds person `number` as the importer does.
void add_recipient(queue::ChunkBuilder& builder, uint64_t number, const Person& person);

// What a Postfix answers.
inline constexpr std::string_view kGreeting = "220 mx.example.net ESMTP Postfix\r\n";
inline constexpr std::string_view kEhloReply =
    "250-mx.example.net\r\n250-PIPELINING\r\n250-SIZE "
    "10240000\r\n250-VRFY\r\n250-ETRN\r\n250-ENHANCEDSTATUSCODES\r\n"
    "250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n";
inline constexpr std::string_view kMailReply = "250 2.1.0 Ok\r\n";
inline constexpr std::string_view kRcptReply = "250 2.1.5 Ok\r\n";
inline constexpr std::string_view kDataReply = "354 End data with <CR><LF>.<CR><LF>\r\n";
inline constexpr std::string_view kTakenReply = "250 2.0.0 Ok: queued as 4Pz2Kx1Jq8z9rxN\r\n";
inline constexpr std::string_view kResetReply = "250 2.0.0 Ok\r\n";
inline constexpr std::string_view kQuitReply = "221 2.0.0 Bye\r\n";

extern const std::array<std::string_view, 8> kRefusals;

}  // namespace volley::bench
