/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A chart of horizontal bars in groups: medians, with whiskers for the spread.
 */
#ifndef NPU_BENCH_BAR_CHART_H
#define NPU_BENCH_BAR_CHART_H

#include <stdbool.h>
#include <stddef.h>

typedef struct
{
  const char *label;
  double median;                /* the bar's length, 0 or more */
  double low, high;             /* where the whisker begins and ends */
  const char *note;             /* after the value, muted; NULL for none */
} BenchBar;

/* The bars of a group have different colours, those in the same place of
 * different groups the same one. */
typedef struct
{
  const char *label;            /* above the bars; NULL for none */
  const BenchBar *bars;
  size_t count;
} BenchBarGroup;

typedef struct
{
  const char *title;
  const char *subtitle;         /* what was measured and where; NULL for none */
  const char *unit;             /* "ms a tile" */
  int decimals;                 /* of the values beside the bars */
  bool emulated;                /* a badge says so */
  const BenchBarGroup *groups;
  size_t count;
  const char *const *footnotes; /* lines; may be NULL */
  size_t footnote_count;
} BenchBarChart;

/**
 * bench_bar_chart_write:
 * Draw @chart to @path. Returns whether it succeeded; if not, the reason was
 * said.
 */
bool bench_bar_chart_write (const BenchBarChart * chart, const char *path);

#endif
