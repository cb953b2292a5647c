/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Rounds in random order, and the report.
 */
#include "measure.h"

#include "bar-chart.h"
#include "command.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef enum
{
  MILLISECONDS,
  DMA_SHARE,
  OVERLAP,
  QUEUE_DEPTH,
  FIGURES
} Figure;

NpuDevice *
bench_open_device (BenchSetup * setup)
{
  const NpuDeviceOptions options = {
    .threads = setup->threads,
    .settings = setup->device_options,
  };
  NpuDevice *device;
  NpuError error;

  if (npu_device_open (setup->device, &options, &device, &error) != NPU_OK) {
    bench_say ("%s", error.message);
    return NULL;
  }
  if (setup->seed == 0)
    setup->seed = (unsigned) time (NULL);
  srandom (setup->seed);
  return device;
}

static void
shuffle (uint32_t * order, uint32_t count)
{
  for (uint32_t i = count; i > 1; i--) {
    uint32_t other = (uint32_t) random () % i;
    uint32_t kept = order[i - 1];

    order[i - 1] = order[other];
    order[other] = kept;
  }
}

/* Each strategy once; the figures of strategy s go to values[f][s][round]. */
static bool
run_round (const BenchSetup * setup, const BenchWork * work, double *values,
    unsigned round, BenchResult * results)
{
  uint32_t order[BENCH_STRATEGIES];

  for (uint32_t i = 0; i < work->count; i++)
    order[i] = i;
  shuffle (order, work->count);
  for (uint32_t i = 0; i < work->count; i++) {
    uint32_t strategy = order[i];
    NpuPipelineStatistics figures;
    NpuError error = { 0 };
    double *value = values + strategy * setup->rounds + round;
    size_t step = (size_t) work->count * setup->rounds;

    if (work->round (work->user, strategy, &figures, &error) != NPU_OK) {
      bench_say ("%s: %s", work->strategies[strategy].label, error.message);
      return false;
    }
    if (!results)
      continue;                 /* warming up */
    value[MILLISECONDS * step] =
        (double) (figures.last_ns - figures.first_ns) / 1e6 / setup->items;
    value[DMA_SHARE * step] = npu_statistics_dma_share (&figures);
    value[OVERLAP * step] = npu_statistics_overlap (&figures);
    value[QUEUE_DEPTH * step] = npu_statistics_queue_depth (&figures);
    results[strategy].stalls += figures.stalls;
  }
  return true;
}

bool
bench_measure (const BenchSetup * setup, const BenchWork * work,
    BenchResult results[BENCH_STRATEGIES])
{
  size_t step = (size_t) work->count * setup->rounds;
  double *values = calloc (FIGURES * step, sizeof (*values));
  bool well = values != NULL;

  memset (results, 0, BENCH_STRATEGIES * sizeof (*results));
  if (!well)
    bench_say ("out of memory for %u rounds", setup->rounds);
  for (unsigned i = 0; well && i < setup->warm_up; i++)
    well = run_round (setup, work, values, 0, NULL);
  for (unsigned i = 0; well && i < setup->rounds; i++)
    well = run_round (setup, work, values, i, results);
  for (uint32_t i = 0; well && i < work->count; i++) {
    double *value = values + i * setup->rounds;

    results[i].milliseconds =
        bench_spread (value + MILLISECONDS * step, setup->rounds);
    results[i].dma_share = bench_spread (value + DMA_SHARE * step,
        setup->rounds);
    results[i].overlap = bench_spread (value + OVERLAP * step, setup->rounds);
    results[i].queue_depth = bench_spread (value + QUEUE_DEPTH * step,
        setup->rounds);
  }
  free (values);
  return well;
}

/* -------------------------------------------------------------- report */

static void
print_table (const BenchSetup * setup, const BenchWork * work,
    const BenchResult * results)
{
  static const char *const heads[] = { "strategy", "mean", "median",
    "quartiles", "range", "of (a)", "DMA", "hidden", "depth", "stalls"
  };
  BenchTable *table =
      bench_table_new (heads, sizeof (heads) / sizeof (heads[0]));

  if (!table)
    return;
  for (uint32_t i = 0; i < work->count; i++) {
    const BenchSpread *ms = &results[i].milliseconds;

    bench_table_cell (table, "%s", work->strategies[i].label);
    bench_table_cell (table, "%.4f", ms->mean);
    bench_table_cell (table, "%.4f", ms->median);
    bench_table_cell (table, "%.4f-%.4f", ms->low, ms->high);
    bench_table_cell (table, "%.4f-%.4f", ms->least, ms->most);
    bench_table_cell (table, "%.2f",
        ms->median / results[0].milliseconds.median);
    bench_table_cell (table, "%.1f %%", 100 * results[i].dma_share.median);
    bench_table_cell (table, "%.1f %%", 100 * results[i].overlap.median);
    bench_table_cell (table, "%.2f", results[i].queue_depth.median);
    bench_table_cell (table, "%llu", (unsigned long long) results[i].stalls);
  }
  printf ("ms a %s, %u of them a round, %u rounds after %u to warm up:\n\n",
      work->item, setup->items, setup->rounds, setup->warm_up);
  bench_table_print (table, stdout);
  bench_table_free (table);
}

static bool
write_json (const BenchSetup * setup, const BenchWork * work,
    const BenchResult * results, const NpuDeviceInfo * info, json_t * more)
{
  json_t *root = json_pack ("{s:s, s:s, s:s, s:b, s:b, s:i, s:i, s:i, s:i}",
      "title", work->title, "device", info->name, "description",
      info->description, "emulated", info->emulated, "virtual_time",
      info->virtual_time, "items", (int) setup->items, "rounds",
      (int) setup->rounds, "warm_up", (int) setup->warm_up, "seed",
      (int) setup->seed);
  json_t *list = json_array ();
  bool well;

  for (uint32_t i = 0; i < work->count; i++) {
    json_t *row = json_pack ("{s:s, s:s, s:I}", "key",
        work->strategies[i].key, "label", work->strategies[i].label,
        "stalls", (json_int_t) results[i].stalls);

    json_object_set_new (row, "milliseconds",
        bench_spread_to_json (&results[i].milliseconds));
    json_object_set_new (row, "dma_share",
        bench_spread_to_json (&results[i].dma_share));
    json_object_set_new (row, "overlap",
        bench_spread_to_json (&results[i].overlap));
    json_object_set_new (row, "queue_depth",
        bench_spread_to_json (&results[i].queue_depth));
    json_array_append_new (list, row);
  }
  json_object_set_new (root, "strategies", list);
  if (more)
    json_object_update (root, more);
  well = bench_write_json (setup->json, root);
  json_decref (root);
  return well;
}

static bool
write_svg (const BenchSetup * setup, const BenchWork * work,
    const BenchResult * results, const NpuDeviceInfo * info,
    const char *const *notes)
{
  BenchBar bars[BENCH_STRATEGIES];
  char labels[BENCH_STRATEGIES][64], unit[32];
  BenchBarGroup group = {.bars = bars,.count = work->count };
  BenchBarChart chart = {
    .title = work->title,
    .subtitle = info->description,
    .unit = unit,
    .decimals = 3,
    .emulated = info->emulated,
    .groups = &group,
    .count = 1,
    .footnotes = notes,
  };

  while (notes[chart.footnote_count])
    chart.footnote_count++;
  snprintf (unit, sizeof (unit), "ms a %s", work->item);
  for (uint32_t i = 0; i < work->count; i++) {
    const BenchSpread *ms = &results[i].milliseconds;

    snprintf (labels[i], sizeof (labels[i]), "%.1f %% DMA, %.0f %% hidden",
        100 * results[i].dma_share.median, 100 * results[i].overlap.median);
    bars[i] = (BenchBar) { work->strategies[i].label, ms->median, ms->low,
      ms->high, labels[i]
    };
  }
  return bench_bar_chart_write (&chart, setup->svg);
}

int
bench_report (const BenchSetup * setup, const BenchWork * work,
    const BenchResult * results, const NpuDevice * device,
    const char *const *notes, json_t * more)
{
  const NpuDeviceInfo *info = npu_device_info (device);
  bool well = true;

  printf ("%s\n%s%s\n\n", work->title, info->emulated ? "EMULATED: " : "",
      info->description);
  print_table (setup, work, results);
  printf ("\n");
  for (const char *const *note = notes; *note; note++)
    printf ("%s\n", *note);
  if (setup->json)
    well = write_json (setup, work, results, info, more);
  if (setup->svg)
    well &= write_svg (setup, work, results, info, notes);
  json_decref (more);
  return well ? BENCH_EXIT_OK : BENCH_EXIT_ERROR;
}

json_t *
bench_pool_to_json (const NpuBufferPoolStatistics * pool)
{
  return json_pack ("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
      "allocations", (json_int_t) pool->allocations, "reuses",
      (json_int_t) pool->reuses, "misses", (json_int_t) pool->misses, "waits",
      (json_int_t) pool->waits, "refusals", (json_int_t) pool->refusals,
      "peak_in_use", (json_int_t) pool->peak_in_use, "bytes",
      (json_int_t) pool->bytes);
}
