// Counters that cost a relaxed store, and their way to Prometheus.
//
// Purpose    Each thread counts in a Shard of its own (no sharing, no locks); scrape time sums them
//            up through a custom prometheus-cpp Collectable. Names and help texts are one table:
//            metrics/names.h.
// Ownership  Registry owns shards and site blocks; they live until the Registry does. References
//            stay valid: ask once, keep them. A new_shard() or site() takes a lock, a Cell never.
// Thread     A Shard is written by one thread; exposition() and total() run on any.
// Labels     Only bounded ones: lane, site (the first 200 sites get names, the rest share "other"), policy and result types.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "metrics/names.h"

namespace volley::metrics {

inline constexpr size_t kMaxNamedSites = 200;
inline constexpr std::string_view kOtherSites = "other";

// One writer; readers see a recent value.
class Cell {
 public:
  void add(uint64_t n = 1) { set(get() + n); }
  void sub(uint64_t n = 1) { set(get() - n); }
  void set(uint64_t n) { v_.store(n, std::memory_order_relaxed); }
  uint64_t get() const { return v_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> v_{0};
};

// Fixed exponential buckets, 100 µs to about 840 s, each twice the one before.
class HistogramCells {
 public:
  static constexpr size_t kBuckets = 24;
  void observe(Duration d);
  uint64_t bucket(size_t i) const { return buckets_[i].get(); }  // kBuckets: above them all
  double sum_seconds() const;
  static double upper_bound_seconds(size_t i);

 private:
  std::array<Cell, kBuckets + 1> buckets_;
  Cell sum_ns_;
};

// Counts of one site on one thread.
struct alignas(64) SiteCells {
  std::array<Cell, kSiteMetricCount> cells;
  Cell& operator[](SiteMetric m) { return cells[static_cast<size_t>(m)]; }
};

struct alignas(64) Shard {
  std::array<Cell, kMetricCount> cells;
  std::array<HistogramCells, kHistogramCount> histograms;
  Cell& operator[](Metric m) { return cells[static_cast<size_t>(m)]; }
  HistogramCells& operator[](Histogram h) { return histograms[static_cast<size_t>(h)]; }
};

// One value of a family whose labels are known at scrape time only.
struct Series {
  SeriesMetric metric{};
  std::string site;  // "other" is shown for one that has no name here
  struct Label {
    std::string_view name;
    std::string value;  // one of a few
    bool operator==(const Label&) const = default;
    auto operator<=>(const Label&) const = default;
  };
  std::vector<Label> labels;  // besides site
  uint64_t value = 0;
};

class Registry {
 public:
  Registry();
  ~Registry();
  Shard& new_shard();
  // The shard's owner only. Sites beyond the first 200 share the block of "other": its gauges must
  // be moved with add() and sub() there, never set(); is_other() tells.
  SiteCells& site(Shard& shard, std::string_view site_name);
  bool is_other(std::string_view site_name) const;
  // Gauges asked for at scrape time, by key of metrics/names.h; called on the scraping thread, with
  // a Shard full of zeros that is added to the sums. What it uses outlives the Registry.
  void on_scrape(std::function<void(Shard& scratch)> fill);
  // The same for series. What it uses outlives the Registry, or is its own.
  void on_scrape_series(std::function<std::vector<Series>()> ask);
  std::string exposition() const;  // Prometheus text format 0.0.4
  uint64_t total(Metric m) const;  // summed over shards

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace volley::metrics
