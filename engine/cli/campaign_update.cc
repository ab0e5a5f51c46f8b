// volley campaign update: other content for those that were not sent to yet.
#include <fmt/format.h>

#include <cstdio>

#include "engine/cli/context.h"
#include "engine/cli/exit_code.h"
#include "engine/cli/live_engines.h"
#include "engine/cli/named_files.h"
#include "engine/cli/workplace.h"
#include "engine/message/campaign_content.h"
#include "engine/message/campaign_file.h"
#include "engine/message/renderer.h"

namespace volley::cli {
namespace {

struct Options {
  CommonOptions common;
  std::string id, file;
};

struct NewContent {
  std::string bytes, fingerprint, from_domain;
  bool sign = false;
};

// Everything that can be wrong with the file, before the queue is touched.
Result<NewContent> read(const Options& options, const queue::Campaign& campaign, const Settings& settings) {
  auto spec = message::load_campaign(options.file);
  if (!spec) return spec.error();
  if (spec->identity() != campaign.id) {
    return Error{Errc::kData, fmt::format("{}: is campaign \"{}\", not \"{}\"", options.file, spec->identity(), campaign.id)};
  }
  auto content = message::load_content(*spec);
  if (!content) return content.error();
  auto renderer = message::Renderer::compile(*content, campaign.columns);
  if (!renderer) return renderer.error();
  NewContent out{content->to_bytes(), content->fingerprint(), std::string((*renderer)->from_domain()), false};
  auto keys = dkim_keys(settings);
  if (!keys) return keys.error();
  // What was signed stays signed, under its new domain as well.
  out.sign = spec->sign.value_or(campaign.sign);
  if (out.sign && out.from_domain != campaign.from_domain && keys->find(out.from_domain).empty()) {
    return Error{Errc::kConfig, fmt::format("{}: no DKIM key for {}, which `from` says now", options.file, out.from_domain)};
  }
  return out;
}

Status update(queue::Store& store, const Options& options, const Settings& settings) {
  auto found = store.find(options.id);
  if (!found) return found.error();
  if (!*found) return Error{Errc::kData, "no campaign \"" + options.id + "\" in this queue: see `volley campaign list`"};
  auto content = read(options, **found, settings);
  if (!content) return content.error();
  Status replaced = store.replace_content(options.id, content->bytes, content->fingerprint, content->from_domain, content->sign);
  if (!replaced) return replaced;
  // A resume that follows at once must not find an engine with the old content in hand.
  if (Status heard = let_engines_hear(store); !heard) return heard;
  found = store.find(options.id);
  if (!found || !*found) return found ? Status() : Status(found.error());
  if (options.common.json) {
    fmt::print("{}\n", (*found)->to_json());
  } else if ((*found)->content_revision == 1) {
    fmt::print("campaign {} has this content already\n", options.id);
  } else {
    fmt::print("campaign {}: content {} from here on; `volley campaign resume {}` sends it\n", options.id,
               (*found)->content_revision, options.id);
  }
  return {};
}

int run(const Options& options) {
  auto settings = settings_for(options.common);
  if (!settings) return report(settings.error());
  auto place = Workplace::open(*settings, Access::kClient);
  if (!place) return report(place.error());
  const Status done = update((*place)->store(), options, *settings);
  return done ? kExitFinished : report(done.error());
}

}  // namespace

void add_campaign_update(Command& campaign, Context& context) {
  auto options = std::make_shared<Options>();
  Command command = campaign.subcommand("update", "other content for those not sent to yet; while it is paused");
  add_common(command, options->common);
  command.argument("id", options->id, "campaign", "ID");
  command.argument("file", options->file, "campaign file with the new content", "CAMPAIGN.toml");
  command.action([options, &context] { context.exit_code = run(*options); });
}

}  // namespace volley::cli
