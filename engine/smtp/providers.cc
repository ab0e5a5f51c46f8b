#include "engine/smtp/providers.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "base/utf8.h"

namespace volley::smtp {
namespace {

struct Suffix {
  std::string_view suffix;  // with a leading dot: hosts below it; without: this host only
  std::string_view provider;
};

// More special suffixes first.
constexpr Suffix kSuffixes[] = {
    {".google.com", "google"},
    {".googlemail.com", "google"},
    {".olc.protection.outlook.com", "outlook"},
    {".mail.protection.outlook.com", "o365"},
    {".mx.microsoft", "o365"},
    {".yahoodns.net", "yahoo"},
    {".yahoo.co.jp", "yahoo-jp"},
    {".mail.icloud.com", "icloud"},
    {".orange.fr", "orange"},
    {".wanadoo.fr", "orange"},
    {"mx1.free.fr", "free"},
    {"mx2.free.fr", "free"},
    {".laposte.net", "laposte"},
    {".sfr.fr", "sfr"},
    {".mail.ovh.net", "ovh"},
    {"mx1.ovh.net", "ovh"},
    {"mx2.ovh.net", "ovh"},
    {"redirect.ovh.net", "ovh"},
    {".mail.gandi.net", "gandi"},
    {".infomaniak.ch", "infomaniak"},
    {".ionos.fr", "ionos"},
    {".ionos.de", "ionos"},
    {".ionos.com", "ionos"},
    {".ionos.es", "ionos"},
    {".ionos.co.uk", "ionos"},
    {".kundenserver.de", "ionos"},
    {"mxint01.1and1.com", "ionos"},
    {"mxint02.1and1.com", "ionos"},
    {".perfora.net", "ionos"},
    {".gmx.net", "gmx"},
    {"mx-ha02.web.de", "gmx"},
    {"mx-ha03.web.de", "gmx"},
    {"mx00.mail.com", "mail.com"},
    {"mx01.mail.com", "mail.com"},
    {".t-online.de", "t-online"},
    {"mx.freenet.de", "freenet"},
    {"mail.protonmail.ch", "proton"},
    {"mailsec.protonmail.ch", "proton"},
    {".zoho.com", "zoho"},
    {".zoho.eu", "zoho"},
    {".zoho.in", "zoho"},
    {".messagingengine.com", "fastmail"},
    {".mimecast.com", "mimecast"},
    {".mimecast.co.za", "mimecast"},
    {".mimecast-offshore.com", "mimecast"},
    {".pphosted.com", "proofpoint"},
    {".ppe-hosted.com", "proofpoint"},
    {".barracudanetworks.com", "barracuda"},
    {".iphmx.com", "cisco"},
    {".messagelabs.com", "symantec"},
    {".trendmicro.com", "trend"},
    {".trendmicro.eu", "trend"},
    {".sophos.com", "sophos"},
    {".vadesecure.com", "vade"},
    {".mailinblack.com", "mailinblack"},
    {".hornetsecurity.com", "hornet"},
    {".antispameurope.com", "hornet"},
    {".retarus.com", "retarus"},
    {".mx.a.cloudfilter.net", "cox"},
    {".cloudfilter.net", "cloudmark"},
    {"mx1.comcast.net", "comcast"},
    {"mx2.comcast.net", "comcast"},
    {"smtp-in.libero.it", "libero"},
    {".mail.tiscali.it", "tiscali"},
    {"mx1.telenet-ops.be", "telenet"},
    {"mx2.telenet-ops.be", "telenet"},
    {".ziggo.nl", "ziggo"},
    {"mx.kpnmail.nl", "kpn"},
    {"mx.bt.prod.cloud.openwave.ai", "bt"},
    {"extmail.bigpond.com", "bigpond"},
    {"mx.yandex.ru", "yandex"},
    {"mx.yandex.net", "yandex"},
    {"mxs.mail.ru", "mail.ru"},
    {".qq.com", "qq"},
    {".netease.com", "netease"},
    {".naver.com", "naver"},
    {".netvigator.com", "netvigator"},
    {".secureserver.net", "secureserver"},
    {"mx1.hostinger.com", "hostinger"},
    {"mx2.hostinger.com", "hostinger"},
    {".mx.cloudflare.net", "cloudflare"},
    {".improvmx.com", "improvmx"},
};

struct Known {
  std::string_view provider;
  Family family;
  ProviderLimits limits;
};

constexpr Known kKnown[] = {
    {"google", Family::kGoogle, {5, 50, 100, 20, true}},
    {"outlook", Family::kMicrosoft, {5, 50, 100, 20, false}},
    {"o365", Family::kMicrosoft, {5, 50, 100, 50, false}},
    {"yahoo", Family::kYahoo, {5, 20, 30, 50, false}},
    {"yahoo-jp", Family::kGeneric, {2, 20, 30, 50, false}},
    {"icloud", Family::kApple, {10, 5, 1, 20, true}},
    {"orange", Family::kOrange, {2, 100, 100, 100, true}},
    {"laposte", Family::kOrange, {2, 100, 10, 100, false}},
    {"sfr", Family::kSfr, {2, 100, 10, 100, false}},
    {"free", Family::kFree, {2, 50, 10, 50, false}},
    {"ovh", Family::kGeneric, {5, 50, 10, 50, false}},
    {"gmx", Family::kGmx, {4, 20, 1, 20, true}},
    {"mail.com", Family::kGmx, {4, 100, 1, 20, true}},
    {"ionos", Family::kGmx, {5, 50, 100, 50, false}},
    {"t-online", Family::kGeneric, {2, 50, 100, 50, false}},
    {"comcast", Family::kComcast, {25, 1000, 100, 50, true}},
    {"mimecast", Family::kGeneric, {10, 100, 100, 50, false}},
    {"barracuda", Family::kGeneric, {10, 15, 100, 50, false}},
    {"proofpoint", Family::kGeneric, {10, 50, 100, 50, false}},
    {"cisco", Family::kGeneric, {5, 50, 100, 50, false}},
    {"qq", Family::kQq, {4, 8, 100, 50, false}},
    {"netease", Family::kNetease, {4, 7, 100, 50, false}},
    {"kpn", Family::kGeneric, {10, 10, 100, 50, false}},
    {"netvigator", Family::kGeneric, {5, 10, 100, 50, false}},
    {"improvmx", Family::kImprovmx, {10, 100, 100, 50, false}},
    {kRelayProvider, Family::kRelay, {20, 1000, 100, 50, false}},
};

const Known* known(std::string_view provider) {
  for (const Known& entry : kKnown) {
    if (entry.provider == provider) return &entry;
  }
  return nullptr;
}

}  // namespace

std::string_view provider_of(std::string_view mx_host) {
  if (mx_host.ends_with('.')) mx_host.remove_suffix(1);
  const std::string host = ascii_lower(mx_host);
  for (const Suffix& entry : kSuffixes) {
    const bool below = entry.suffix[0] == '.';
    // The leading dot makes the match end at a label boundary.
    if (below ? host.ends_with(entry.suffix) && host.size() > entry.suffix.size()
              : host == entry.suffix) {
      return entry.provider;
    }
  }
  return {};
}

std::vector<std::string_view> provider_names() {
  std::vector<std::string_view> names;
  names.reserve(std::size(kSuffixes));
  for (const Suffix& entry : kSuffixes) names.push_back(entry.provider);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

ProviderLimits provider_limits(std::string_view provider) {
  const Known* entry = known(provider);
  return entry ? entry->limits : ProviderLimits{};
}

Family family_of(std::string_view provider) {
  const Known* entry = known(provider);
  return entry ? entry->family : Family::kGeneric;
}

}  // namespace volley::smtp
