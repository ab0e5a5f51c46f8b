#include "metrics/registry.h"

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <bit>
#include <deque>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <sstream>
#include <unordered_map>
#include <utility>
#include <vector>

#include "metrics/process.h"

namespace volley::metrics {

namespace {

constexpr int64_t kFirstBoundNs = 100'000;

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

std::vector<ClientMetric::Label> labels_of(std::string_view text) {
  size_t equals = text.find('=');
  if (equals == std::string_view::npos) return {};
  return {{std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))}};
}

MetricFamily new_family(const MetricRow& row, MetricType type) {
  MetricFamily family;
  family.name = row.name;
  family.help = row.help;
  family.type = type;
  return family;
}

MetricFamily simple_family(const MetricRow& row) {
  return new_family(row, row.gauge ? MetricType::Gauge : MetricType::Counter);
}

void add_value(MetricFamily& family, std::vector<ClientMetric::Label> labels, double value) {
  ClientMetric metric;
  metric.label = std::move(labels);
  (family.type == MetricType::Gauge ? metric.gauge.value : metric.counter.value) = value;
  family.metric.push_back(std::move(metric));
}

}  // namespace

void HistogramCells::observe(Duration d) {
  auto ns = static_cast<uint64_t>(std::max<int64_t>(d.count(), 0));
  // In units of the first bound, rounded up: bucket i holds up to 2^i of them.
  uint64_t units = (ns + kFirstBoundNs - 1) / kFirstBoundNs;
  size_t i = units <= 1 ? 0 : static_cast<size_t>(std::bit_width(units - 1));
  buckets_[std::min(i, kBuckets)].add();
  sum_ns_.add(ns);
}

double HistogramCells::sum_seconds() const { return static_cast<double>(sum_ns_.get()) / 1e9; }

double HistogramCells::upper_bound_seconds(size_t i) {
  return static_cast<double>(kFirstBoundNs << i) / 1e9;
}

struct Registry::Impl final : prometheus::Collectable {
  struct Block {
    Shard shard;
    std::map<std::string, SiteCells, std::less<>> sites;  // a map's values never move
  };

  mutable std::mutex mutex;  // of the containers; the cells need none
  std::deque<Block> blocks;
  std::unordered_map<const Shard*, Block*> block_of;
  std::set<std::string, std::less<>> named_sites;
  std::vector<std::function<void(Shard&)>> fills;
  std::vector<std::function<std::vector<Series>()>> asks;

  std::vector<MetricFamily> Collect() const override;
  void collect_shards(const Shard& scratch, std::vector<MetricFamily>& out) const;
  void collect_histograms(const Shard& scratch, std::vector<MetricFamily>& out) const;
  void collect_sites(std::vector<MetricFamily>& out) const;
  void collect_series(const std::vector<Series>& all, std::vector<MetricFamily>& out) const;
};

std::vector<MetricFamily> Registry::Impl::Collect() const {
  std::vector<std::function<void(Shard&)>> fillers;
  std::vector<std::function<std::vector<Series>()>> askers;
  {
    std::lock_guard lock(mutex);
    fillers = fills;
    askers = asks;
  }
  // Without the lock: who is asked may use the registry.
  auto scratch = std::make_unique<Shard>();
  for (auto& fill : fillers) fill(*scratch);
  std::vector<Series> series;
  for (auto& ask : askers) {
    for (Series& one : ask()) series.push_back(std::move(one));
  }
  std::vector<MetricFamily> out;
  {
    std::lock_guard lock(mutex);
    collect_shards(*scratch, out);
    collect_histograms(*scratch, out);
    collect_sites(out);
    collect_series(series, out);
  }
  for (size_t i = 0; i < kProcessMetricCount; ++i) {
    auto key = static_cast<ProcessMetric>(i);
    std::optional<double> value = read_process_metric(key);
    if (!value) continue;
    out.push_back(simple_family(row(key)));
    std::vector<ClientMetric::Label> labels;
    if (key == ProcessMetric::kBuildInfo) labels.push_back({"version", VOLLEY_VERSION});
    add_value(out.back(), std::move(labels), *value);
  }
  return out;
}

void Registry::Impl::collect_shards(const Shard& scratch, std::vector<MetricFamily>& out) const {
  for (size_t i = 0; i < kMetricCount; ++i) {
    const MetricRow& r = row(static_cast<Metric>(i));
    uint64_t sum = scratch.cells[i].get();
    for (const Block& block : blocks) sum += block.shard.cells[i].get();
    // Rows of one name follow each other.
    if (out.empty() || out.back().name != r.name) out.push_back(simple_family(r));
    add_value(out.back(), labels_of(r.labels), static_cast<double>(sum));
  }
}

void Registry::Impl::collect_histograms(const Shard& scratch,
                                        std::vector<MetricFamily>& out) const {
  for (size_t i = 0; i < kHistogramCount; ++i) {
    ClientMetric metric;
    auto& histogram = metric.histogram;
    histogram.sample_sum = scratch.histograms[i].sum_seconds();
    for (const Block& block : blocks) {
      histogram.sample_sum += block.shard.histograms[i].sum_seconds();
    }
    for (size_t b = 0; b <= HistogramCells::kBuckets; ++b) {
      histogram.sample_count += scratch.histograms[i].bucket(b);
      for (const Block& block : blocks) {
        histogram.sample_count += block.shard.histograms[i].bucket(b);
      }
      double bound = b == HistogramCells::kBuckets ? std::numeric_limits<double>::infinity()
                                                   : HistogramCells::upper_bound_seconds(b);
      histogram.bucket.push_back({histogram.sample_count, bound});
    }
    out.push_back(new_family(row(static_cast<Histogram>(i)), MetricType::Histogram));
    out.back().metric.push_back(std::move(metric));
  }
}

void Registry::Impl::collect_sites(std::vector<MetricFamily>& out) const {
  std::map<std::string_view, std::array<uint64_t, kSiteMetricCount>> sums;
  for (const Block& block : blocks) {
    for (const auto& [name, site] : block.sites) {
      auto& sum = sums[name];
      for (size_t i = 0; i < kSiteMetricCount; ++i) sum[i] += site.cells[i].get();
    }
  }
  if (sums.empty()) return;
  for (size_t i = 0; i < kSiteMetricCount; ++i) {
    out.push_back(simple_family(row(static_cast<SiteMetric>(i))));
    for (const auto& [name, sum] : sums) {
      add_value(out.back(), {{"site", std::string(name)}}, static_cast<double>(sum[i]));
    }
  }
}

void Registry::Impl::collect_series(const std::vector<Series>& all,
                                    std::vector<MetricFamily>& out) const {
  using Labels = std::vector<Series::Label>;
  std::array<std::map<std::pair<std::string_view, Labels>, uint64_t>, kSeriesMetricCount> sums;
  for (const Series& one : all) {
    const std::string_view site = named_sites.contains(one.site) ? one.site : kOtherSites;
    sums[static_cast<size_t>(one.metric)][{site, one.labels}] += one.value;
  }
  for (size_t i = 0; i < kSeriesMetricCount; ++i) {
    if (sums[i].empty()) continue;
    out.push_back(simple_family(row(static_cast<SeriesMetric>(i))));
    for (const auto& [key, sum] : sums[i]) {
      std::vector<ClientMetric::Label> labels{{"site", std::string(key.first)}};
      for (const auto& [name, value] : key.second) labels.push_back({std::string(name), value});
      add_value(out.back(), std::move(labels), static_cast<double>(sum));
    }
  }
}

Registry::Registry() : impl_(std::make_unique<Impl>()) {}
Registry::~Registry() = default;

Shard& Registry::new_shard() {
  std::lock_guard lock(impl_->mutex);
  Impl::Block& block = impl_->blocks.emplace_back();
  impl_->block_of.emplace(&block.shard, &block);
  return block.shard;
}

SiteCells& Registry::site(Shard& shard, std::string_view site_name) {
  std::lock_guard lock(impl_->mutex);
  if (!impl_->named_sites.contains(site_name)) {
    if (impl_->named_sites.size() < kMaxNamedSites && site_name != kOtherSites) {
      impl_->named_sites.emplace(site_name);
    } else {
      site_name = kOtherSites;
    }
  }
  auto& sites = impl_->block_of.at(&shard)->sites;
  auto found = sites.find(site_name);
  if (found == sites.end()) found = sites.try_emplace(std::string(site_name)).first;
  return found->second;
}

bool Registry::is_other(std::string_view site_name) const {
  std::lock_guard lock(impl_->mutex);
  return !impl_->named_sites.contains(site_name);
}

void Registry::on_scrape(std::function<void(Shard& scratch)> fill) {
  std::lock_guard lock(impl_->mutex);
  impl_->fills.push_back(std::move(fill));
}

void Registry::on_scrape_series(std::function<std::vector<Series>()> ask) {
  std::lock_guard lock(impl_->mutex);
  impl_->asks.push_back(std::move(ask));
}

std::string Registry::exposition() const {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, impl_->Collect());
  return std::move(out).str();
}

uint64_t Registry::total(Metric m) const {
  std::lock_guard lock(impl_->mutex);
  uint64_t sum = 0;
  for (const Impl::Block& block : impl_->blocks)
    sum += block.shard.cells[static_cast<size_t>(m)].get();
  return sum;
}

}  // namespace volley::metrics
