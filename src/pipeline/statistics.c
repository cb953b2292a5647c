/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is derived from a pipeline's figures. Sums are made in double precision,
 * where no number of windows overflows.
 */
#include "pipeline/statistics.h"

#define NS_PER_SECOND 1e9

static double
ratio (double part, double whole)
{
  return whole > 0 ? part / whole : 0;
}

/* 0 as long as no run was collected. */
static double
elapsed_ns (const NpuPipelineStatistics * s)
{
  return s->last_ns > s->first_ns ? (double) (s->last_ns - s->first_ns) : 0;
}

static double
transfer_ns (const NpuPipelineStatistics * s)
{
  return (double) s->stage_ns + (double) s->read_ns;
}

double
npu_statistics_dma_share (const NpuPipelineStatistics * s)
{
  double transfers = transfer_ns (s);

  return ratio (transfers, transfers + (double) s->run_ns);
}

double
npu_statistics_overlap (const NpuPipelineStatistics * s)
{
  return ratio ((double) s->hidden_ns, transfer_ns (s));
}

double
npu_statistics_queue_depth (const NpuPipelineStatistics * s)
{
  return ratio ((double) s->depth_ns, elapsed_ns (s));
}

double
npu_statistics_rate (const NpuPipelineStatistics * s)
{
  return ratio ((double) s->items, elapsed_ns (s) / NS_PER_SECOND);
}
