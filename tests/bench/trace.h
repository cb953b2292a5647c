/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A timeline's file (src/pipeline/timeline.h), read back. The file is not
 * trusted: it may be anything.
 */
#ifndef NPU_BENCH_TRACE_H
#define NPU_BENCH_TRACE_H

#include "base/status.h"
#include "pipeline/timeline.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_TRACE_FACT 160

typedef struct
{
  NpuLane lane;
  uint64_t id;
  double start, end;            /* seconds after the file's first span began */
} BenchSpan;

typedef struct
{
  BenchSpan *spans;             /* in order of lane, then of start */
  size_t count;
  double end;                   /* of the last span */
  char device[BENCH_TRACE_FACT];        /* empty where the file does not say */
  char model[BENCH_TRACE_FACT];
  char clock[BENCH_TRACE_FACT];
  bool emulated;
  uint64_t dropped;             /* spans that are missing */
} BenchTrace;

/**
 * bench_trace_read:
 * Read @path. Free @trace with bench_trace_clear() when it succeeded.
 *
 * Returns NPU_OK; NPU_EIO, NPU_EFORMAT when it is no timeline or has no span,
 * NPU_ENOMEM when it needs more memory than a sensible one. Not from two
 * threads at a time.
 */
NpuStatus bench_trace_read (const char *path, BenchTrace * trace,
    NpuError * error);

void bench_trace_clear (BenchTrace * trace);

typedef struct
{
  size_t windows;               /* with a run that lies wholly in the range */
  double mean_run;              /* seconds of run per window */
  double mean_transfer;         /* seconds to and from the device per window */
  double hidden;                /* share of that during any run; 0 ... 1 */
} BenchTraceFigures;

/**
 * bench_trace_figures:
 * Returns the figures of those windows whose run begins and ends within @from
 * ... @to, in seconds; all 0 where there is none, or memory ran out. Transfers
 * of these windows count wherever they lie.
 */
BenchTraceFigures bench_trace_figures (const BenchTrace * trace, double from,
    double to);

#endif
