/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Draws a timeline. Spans of a lane that overlap (runs of several queues,
 * several streams) go into rows of their own. Spans that are too narrow to be
 * told apart are drawn as one bar of a neutral colour, so that a picture of an
 * hour has no more bars than one of a second.
 */
#include "timeline-picture.h"

#include "output.h"
#include "svg.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 1200
#define MARGIN 28
#define PLOT_LEFT 184
#define PLOT_RIGHT (WIDTH - MARGIN)
#define LANE_PADDING 6
#define LANE_GAP 6
#define ROW_HEIGHT 30
#define ROW_HEIGHT_MANY 20      /* where a lane has more than one */
#define ROW_GAP 2
#define ROWS_MOST 8
#define TICKS_MOST 11
#define LABEL_SIZE 12
#define LABEL_PADDING 4
/* Pixels: narrower bars join their neighbours. */
#define NARROW 1.5
/* Times are rounded to nanoseconds: spans that touch do not overlap. */
#define TOUCH 2e-9
/* The longest gap, in parts of a span, that a solid group may have. */
#define SEEMS_SOLID 0.05

#define MANY_COLOUR "#8d99a6"
#define CAPTURE_COLOUR "#b9c6d3"
#define MEL_COLOUR "#a3c1c0"

static const char *const explanations[NPU_LANES] = {
  "audio that was heard", "log-mel frames", "host uploads", "device encodes",
  "host downloads", "states become text"
};

/* Bars that are drawn as one until a wide one comes, or a gap. */
typedef struct
{
  double left, right;           /* pixels; as they are drawn */
  bool narrow;                  /* so that others may join */
  bool solid;                   /* one begins where the one before ends */
  size_t count;
  const BenchSpan *span;        /* the first */
} Group;

typedef struct
{
  BenchSvg *svg;
  const BenchTrace *trace;
  double from, to;
  uint8_t *rows;                /* of each span, within its lane */
  int row_count[NPU_LANES];
  double y;                     /* of what is drawn next */
} Drawing;

static const BenchSvgFont muted = {.size = LABEL_SIZE,.colour = BENCH_MUTED };

static double
x_of (const Drawing * d, double time)
{
  double share = (time - d->from) / (d->to - d->from);

  return PLOT_LEFT + fmin (fmax (share, 0), 1) * (PLOT_RIGHT - PLOT_LEFT);
}

static bool
is_seen (const Drawing * d, const BenchSpan * span)
{
  if (span->start == span->end)
    return span->start >= d->from && span->start <= d->to;
  return span->end > d->from && span->start < d->to;
}

static bool
is_of_window (NpuLane lane)
{
  return lane != NPU_LANE_CAPTURE && lane != NPU_LANE_MEL;
}

/* ---------------------------------------------------------------- rows */

/* Puts every span into the first row that is free, as far as rows go. */
static void
find_rows (Drawing * d)
{
  double ends[ROWS_MOST];
  int lane = -1;

  for (size_t i = 0; i < d->trace->count; i++) {
    const BenchSpan *span = &d->trace->spans[i];
    int row = 0;

    if ((int) span->lane != lane) {
      lane = (int) span->lane;
      for (int r = 0; r < ROWS_MOST; r++)
        ends[r] = -1;
    }
    if (!is_seen (d, span))
      continue;
    while (row < ROWS_MOST - 1 && ends[row] > span->start + TOUCH)
      row++;
    ends[row] = fmax (ends[row], span->end);
    d->rows[i] = (uint8_t) row;
    if (row >= d->row_count[lane])
      d->row_count[lane] = row + 1;
  }
}

static double
row_height (const Drawing * d, NpuLane lane)
{
  return d->row_count[lane] > 1 ? ROW_HEIGHT_MANY : ROW_HEIGHT;
}

static double
lane_height (const Drawing * d, NpuLane lane)
{
  int rows = d->row_count[lane] > 1 ? d->row_count[lane] : 1;

  return 2 * LANE_PADDING + rows * (row_height (d, lane) + ROW_GAP) - ROW_GAP;
}

/* ---------------------------------------------------------------- bars */

static const char *
colour_of (const BenchSpan * span)
{
  if (span->lane == NPU_LANE_CAPTURE)
    return CAPTURE_COLOUR;
  if (span->lane == NPU_LANE_MEL)
    return MEL_COLOUR;
  return bench_colours[span->id % BENCH_COLOURS];
}

/* Four digits, or down to microseconds. */
static void
print_duration (char *text, size_t size, double seconds)
{
  double ms = seconds * 1e3;

  if (seconds >= 1)
    snprintf (text, size, "%.3f s", seconds);
  else
    snprintf (text, size, "%.*f ms", ms >= 100 ? 1 : ms >= 10 ? 2 : 3, ms);
}

/* Several windows have no colour in common, and what has gaps would seem to
 * have none. */
static const char *
colour_of_group (const Group * group)
{
  if (group->count > 1 && (is_of_window (group->span->lane) || !group->solid))
    return MANY_COLOUR;
  return colour_of (group->span);
}

/* The longest label that fits, or none. */
static void
draw_label (Drawing * d, const Group * group, double base)
{
  bool of_window = is_of_window (group->span->lane);
  const BenchSvgFont font = {
    .size = LABEL_SIZE,
    .colour = of_window ? "#ffffff" : BENCH_INK,
    .anchor = BENCH_ANCHOR_MIDDLE,
  };
  double room = group->right - group->left - 2 * LABEL_PADDING;
  char text[64];

  snprintf (text, sizeof (text), "%s %" PRIu64, of_window ? "window" : "frame",
      group->span->id);
  if (bench_svg_text_width (text, font.size, false) > room && of_window)
    snprintf (text, sizeof (text), "%" PRIu64, group->span->id);
  if (bench_svg_text_width (text, font.size, false) <= room)
    bench_svg_text (d->svg, (group->left + group->right) / 2, base, &font,
        text);
}

static void
draw_group (Drawing * d, const Group * group, double top, double height)
{
  const BenchSpan *span = group->span;
  double width = fmax (group->right - group->left, 1);
  char tip[160], duration[64], class_name[64];
  BenchSvgStyle style = {
    .fill = colour_of_group (group),
    .stroke = width > 4 ? BENCH_PAPER : NULL,
    .radius = width > 6 ? 3 : 0,
    .class_name = class_name,
    .tip = tip,
  };

  print_duration (duration, sizeof (duration), span->end - span->start);
  snprintf (class_name, sizeof (class_name), "%s %s",
      group->count > 1 ? "many" : "bar", npu_lane_name (span->lane));
  if (group->count > 1)
    snprintf (tip, sizeof (tip), "%zu spans from %.6f s", group->count,
        span->start);
  else
    snprintf (tip, sizeof (tip), "%s, %s %" PRIu64 ": %s from %.6f s",
        npu_lane_name (span->lane), is_of_window (span->lane) ? "window" :
        "frame", span->id, duration, span->start);
  bench_svg_rect (d->svg, group->left, top, width, height, &style);
  if (group->count == 1)
    draw_label (d, group, top + height / 2 + LABEL_SIZE * 0.36);
}

/* The bars of one row, from the span that is first in its lane. */
static void
draw_row (Drawing * d, NpuLane lane, int row, size_t first, double top)
{
  double height = row_height (d, lane), end = 0;
  Group group = { 0 };

  for (size_t i = first; i < d->trace->count; i++) {
    const BenchSpan *span = &d->trace->spans[i];
    double left = x_of (d, span->start), right = x_of (d, span->end);
    bool narrow = right - left < NARROW;

    if (span->lane != lane)
      break;
    if (d->rows[i] != row || !is_seen (d, span))
      continue;
    if (group.narrow && narrow && left - group.right < NARROW) {
      group.solid &= span->start - end <= SEEMS_SOLID * (span->end -
          span->start);
      group.right = fmax (group.right, right);
      group.count++;
      end = fmax (end, span->end);
      continue;
    }
    if (group.count > 0)
      draw_group (d, &group, top, height);
    group = (Group) {
    left, right, narrow, true, 1, span};
    end = span->end;
  }
  if (group.count > 0)
    draw_group (d, &group, top, height);
}

static void
draw_lanes (Drawing * d)
{
  const BenchSvgFont name = {.size = 14,.colour = BENCH_INK,.bold = true };
  size_t first = 0;

  for (int l = 0; l < NPU_LANES; l++) {
    NpuLane lane = (NpuLane) l;
    double middle = d->y + lane_height (d, lane) / 2;

    while (first < d->trace->count && d->trace->spans[first].lane < lane)
      first++;
    bench_svg_text (d->svg, MARGIN, middle - 2, &name, npu_lane_name (lane));
    bench_svg_text (d->svg, MARGIN, middle + 14, &muted, explanations[lane]);
    for (int row = 0; row < d->row_count[lane]; row++)
      draw_row (d, lane, row, first, d->y + LANE_PADDING +
          row * (row_height (d, lane) + ROW_GAP));
    d->y += lane_height (d, lane) + LANE_GAP;
  }
}

/* ---------------------------------------------------------- around them */

static void
draw_head (Drawing * d)
{
  const BenchSvgFont title = {.size = 20,.colour = BENCH_INK,.bold = true };
  const BenchTrace *trace = d->trace;
  char device[BENCH_TRACE_FACT + 16], rest[2 * BENCH_TRACE_FACT + 32];

  d->y = MARGIN + 18;
  bench_svg_text (d->svg, MARGIN, d->y, &title, "Timeline");
  if (trace->emulated)
    bench_svg_badge (d->svg, MARGIN + 14 +
        bench_svg_text_width ("Timeline", title.size, true), d->y - 1);
  d->y += 24;
  snprintf (device, sizeof (device), "Device: %s",
      trace->device[0] ? trace->device : "unknown");
  snprintf (rest, sizeof (rest), "%s%s%sClock: %s",
      trace->model[0] ? "Model: " : "", trace->model,
      trace->model[0] ? " \u00b7 " : "",
      trace->clock[0] ? trace->clock : "unknown");
  bench_svg_text (d->svg, MARGIN, d->y, &muted, device);
  d->y += 18;
  bench_svg_text (d->svg, MARGIN, d->y, &muted, rest);
  d->y += 20;
}

/* Lanes' shades, and lines at round times, behind the bars. */
static void
draw_grid (Drawing * d)
{
  const BenchSvgFont tick = {
    .size = LABEL_SIZE,.colour = BENCH_MUTED,.anchor = BENCH_ANCHOR_MIDDLE
  };
  const BenchSvgStyle shade = {.fill = BENCH_SHADE,.radius = 4 };
  double bottom = d->y, step, first;
  int decimals;

  for (int lane = 0; lane < NPU_LANES; lane++) {
    double height = lane_height (d, (NpuLane) lane);

    bench_svg_rect (d->svg, PLOT_LEFT, bottom, PLOT_RIGHT - PLOT_LEFT, height,
        &shade);
    bottom += height + LANE_GAP;
  }
  step = bench_svg_step (d->to - d->from, TICKS_MOST, &decimals);
  first = fmax (0, ceil (d->from / step - 1e-9));
  for (int i = 0; i <= TICKS_MOST; i++) {
    double time = (first + i) * step, x = x_of (d, time);
    char text[64];

    if (time > d->to + step * 1e-9)
      break;
    bench_svg_line (d->svg, x, d->y, x, bottom, BENCH_RULE, 1);
    snprintf (text, sizeof (text), "%.*f s", decimals, time);
    bench_svg_text (d->svg, x, bottom + 15, &tick, text);
  }
}

static double
draw_key (Drawing * d, double x, const char *colour, const char *text)
{
  const BenchSvgStyle style = {.fill = colour,.radius = 3 };

  bench_svg_rect (d->svg, x, d->y - 10, 12, 12, &style);
  bench_svg_text (d->svg, x + 18, d->y, &muted, text);
  return x + 18 + bench_svg_text_width (text, muted.size, false) + 14;
}

static void
draw_legend (Drawing * d)
{
  double x = PLOT_LEFT;

  x = draw_key (d, x, CAPTURE_COLOUR, "captured chunk");
  x = draw_key (d, x, MEL_COLOUR, "chunk of frames");
  for (int i = 0; i < BENCH_COLOURS; i++) {
    const BenchSvgStyle style = {.fill = bench_colours[i],.radius = 3 };

    bench_svg_rect (d->svg, x + 15 * i, d->y - 10, 12, 12, &style);
  }
  bench_svg_text (d->svg, x + 15 * BENCH_COLOURS + 4, d->y, &muted,
      "one colour a window, in turn");
  x += 15 * BENCH_COLOURS + 18 +
      bench_svg_text_width ("one colour a window, in turn", muted.size, false);
  draw_key (d, x, MANY_COLOUR, "several, too short to tell apart");
}

/* A figure in large type and what it is below. */
static void
draw_figure (Drawing * d, int place, const char *value, const char *what)
{
  const BenchSvgFont font = {.size = 20,.colour = BENCH_INK,.bold = true };
  double x = PLOT_LEFT + place * (PLOT_RIGHT - PLOT_LEFT) / 4.0;

  bench_svg_text (d->svg, x, d->y, &font, value);
  bench_svg_text (d->svg, x, d->y + 19, &muted, what);
}

static void
draw_figures (Drawing * d, const BenchTraceFigures * figures)
{
  const BenchSvgFont warning = {.size = LABEL_SIZE,.colour = BENCH_WARNING };
  char text[128];

  bench_svg_line (d->svg, MARGIN, d->y, PLOT_RIGHT, d->y, BENCH_RULE, 1);
  d->y += 34;
  snprintf (text, sizeof (text), "%zu", figures->windows);
  draw_figure (d, 0, text, "windows that ran");
  print_duration (text, sizeof (text), figures->mean_run);
  draw_figure (d, 1, text, "run a window, mean");
  print_duration (text, sizeof (text), figures->mean_transfer);
  draw_figure (d, 2, text, "transfers a window, mean");
  snprintf (text, sizeof (text), "%.1f %%", figures->hidden * 100);
  draw_figure (d, 3, text, "of transfer time hidden behind runs");
  d->y += 19;
  if (d->trace->dropped > 0) {
    snprintf (text, sizeof (text), "%" PRIu64 " spans were dropped while this "
        "was recorded: picture and figures are of what is left",
        d->trace->dropped);
    d->y += 26;
    bench_svg_text (d->svg, PLOT_LEFT, d->y, &warning, text);
  }
}

bool
bench_timeline_draw (const BenchTrace * trace,
    const BenchTraceFigures * figures, double from, double to, const char *path)
{
  Drawing d = {.trace = trace,.from = from,.to = to };
  bool written = false;

  d.svg = bench_svg_new (WIDTH, "Timeline of the stages of every window");
  d.rows = calloc (trace->count, 1);
  if (d.svg && d.rows) {
    find_rows (&d);
    draw_head (&d);
    draw_grid (&d);
    draw_lanes (&d);
    d.y += 42;
    draw_legend (&d);
    d.y += 24;
    draw_figures (&d, figures);
    written = bench_svg_write (d.svg, d.y + MARGIN, path);
  } else {
    bench_say ("out of memory for the picture");
  }
  free (d.rows);
  bench_svg_free (d.svg);
  return written;
}
