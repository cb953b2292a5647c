/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The figures of a pipeline and what is derived from them. Times are
 * nanoseconds on npu_device_now()'s clock; where that is modelled, so are they.
 * docs/performance.md has the formulas again, for people.
 */
#ifndef NPU_PIPELINE_STATISTICS_H
#define NPU_PIPELINE_STATISTICS_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct
{
  uint64_t runs;                /* collected, failed ones left out */
  uint64_t items;               /* windows or tiles in them */
  uint64_t failures;            /* runs that failed for good */
  uint64_t reruns;              /* runs begun again after a fault */
  uint64_t resets;              /* of the device, by this pipeline */
  uint64_t stalls;              /* a submitter found no free slot, however long
                                 * that lasted */
  uint64_t stage_ns;            /* sum over transfers to the device */
  uint64_t run_ns;              /* sum over runs, from begin to end */
  uint64_t read_ns;             /* sum over transfers from the device */
  uint64_t hidden_ns;           /* the part of stage_ns + read_ns during which a
                                 * run of this pipeline was at work */
  uint64_t uploaded_bytes;
  uint64_t downloaded_bytes;
  uint64_t first_ns;            /* clock when the first slot was opened */
  uint64_t last_ns;             /* clock when the last run was collected */
  uint64_t depth_ns;            /* runs in flight, integrated over time */
  uint32_t in_flight;
  uint32_t peak_in_flight;
} NpuPipelineStatistics;

/**
 * npu_statistics_dma_share:
 * Returns (stage_ns + read_ns) / (stage_ns + run_ns + read_ns), 0 ... 1; 0 when
 * nothing was measured. Any thread, as all of this header.
 */
NPU_API double npu_statistics_dma_share (const NpuPipelineStatistics * s);

/**
 * npu_statistics_overlap:
 * Returns hidden_ns / (stage_ns + read_ns), 0 ... 1: the share of transfer time
 * that cost nothing, since a run was at work.
 */
NPU_API double npu_statistics_overlap (const NpuPipelineStatistics * s);

/**
 * npu_statistics_queue_depth:
 * Returns depth_ns / (last_ns - first_ns): the mean number of runs in flight.
 */
NPU_API double npu_statistics_queue_depth (const NpuPipelineStatistics * s);

/**
 * npu_statistics_rate:
 * Returns items / (last_ns - first_ns), per second.
 */
NPU_API double npu_statistics_rate (const NpuPipelineStatistics * s);

#endif
