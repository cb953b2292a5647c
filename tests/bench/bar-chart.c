/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The chart of bars: labels to the left, values to the right of each whisker.
 */
#include "bar-chart.h"

#include "output.h"
#include "svg.h"

#include <math.h>
#include <stdio.h>

#define WIDTH 960
#define MARGIN 28
#define BAR_HEIGHT 20
#define BAR_DISTANCE 28
#define GROUP_GAP 16
#define GROUP_LABEL_HEIGHT 24
#define LABEL_SIZE 13
#define LABELS_MOST 320
#define AXIS_HEIGHT 44
#define FOOTNOTE_HEIGHT 18
#define TICK_DISTANCE 70

static const BenchSvgFont muted = {.size = LABEL_SIZE,.colour = BENCH_MUTED };

typedef struct
{
  BenchSvg *svg;
  const BenchBarChart *chart;
  double left;                  /* where bars begin */
  double scale;                 /* pixels a unit */
  double right;                 /* where the axis ends */
  double y;
} Drawing;

static double
at_least_zero (double value)
{
  return isfinite (value) && value > 0 ? value : 0;
}

/* Where a bar ends for the eye: its whisker may be longer. */
static double
bar_end (const BenchBar * bar)
{
  return fmax (at_least_zero (bar->median), at_least_zero (bar->high));
}

static void
value_text (const BenchBarChart * chart, const BenchBar * bar, char *text,
    size_t size)
{
  snprintf (text, size, "%.*f", chart->decimals, bar->median);
}

static double
value_width (const BenchBarChart * chart, const BenchBar * bar)
{
  char text[64];

  value_text (chart, bar, text, sizeof (text));
  return 16 + bench_svg_text_width (text, LABEL_SIZE, true) + (bar->note ?
      8 + bench_svg_text_width (bar->note, LABEL_SIZE, false) : 0);
}

/* Room for the longest label to the left, then as many pixels a unit as leave
 * room for every value. */
static void
lay_out (Drawing * d)
{
  const BenchBarChart *chart = d->chart;
  double labels = 0, most = 0;

  for (size_t g = 0; g < chart->count; g++)
    for (size_t b = 0; b < chart->groups[g].count; b++) {
      const BenchBar *bar = &chart->groups[g].bars[b];

      labels = fmax (labels, bench_svg_text_width (bar->label, LABEL_SIZE,
              false));
      most = fmax (most, bar_end (bar));
    }
  d->left = MARGIN + fmin (labels, LABELS_MOST) + 12;
  d->right = WIDTH - MARGIN;
  d->scale = most > 0 ? (d->right - d->left) / most : 1;
  for (size_t g = 0; g < chart->count; g++)
    for (size_t b = 0; b < chart->groups[g].count; b++) {
      const BenchBar *bar = &chart->groups[g].bars[b];
      double room = d->right - d->left - value_width (chart, bar);

      if (bar_end (bar) > 0)
        d->scale = fmin (d->scale, fmax (room, 60) / bar_end (bar));
    }
}

static void
draw_head (Drawing * d)
{
  const BenchSvgFont title = {.size = 20,.colour = BENCH_INK,.bold = true };

  d->y = MARGIN + 16;
  bench_svg_text (d->svg, MARGIN, d->y, &title, d->chart->title);
  if (d->chart->emulated)
    bench_svg_badge (d->svg, MARGIN + 14 +
        bench_svg_text_width (d->chart->title, title.size, true), d->y - 1);
  d->y += 10;
  if (d->chart->subtitle) {
    d->y += 14;
    bench_svg_text (d->svg, MARGIN, d->y, &muted, d->chart->subtitle);
    d->y += 6;
  }
  d->y += GROUP_GAP;
}

static double
bars_height (const BenchBarChart * chart)
{
  double height = 0;

  for (size_t g = 0; g < chart->count; g++)
    height += (g > 0 ? GROUP_GAP : 0) + BAR_DISTANCE *
        (double) chart->groups[g].count +
        (chart->groups[g].label ? GROUP_LABEL_HEIGHT : 0);
  return height;
}

/* Behind the bars, so it comes first. */
static void
draw_axis (Drawing * d)
{
  const BenchSvgFont tick = {
    .size = 12,.colour = BENCH_MUTED,.anchor = BENCH_ANCHOR_MIDDLE
  };
  const BenchSvgFont unit = {
    .size = 12,.colour = BENCH_MUTED,.anchor = BENCH_ANCHOR_END
  };
  double bottom = d->y + bars_height (d->chart);
  double range = (d->right - d->left) / d->scale;
  int decimals;
  double step = bench_svg_step (range, (d->right - d->left) / TICK_DISTANCE,
      &decimals);

  for (int i = 0; i * step <= range * (1 + 1e-9); i++) {
    double x = d->left + i * step * d->scale;
    char text[64];

    bench_svg_line (d->svg, x, d->y, x, bottom + 4,
        i == 0 ? BENCH_MUTED : BENCH_RULE, 1);
    snprintf (text, sizeof (text), "%.*f", decimals, i * step);
    bench_svg_text (d->svg, x, bottom + 19, &tick, text);
  }
  bench_svg_text (d->svg, d->right, bottom + 37, &unit, d->chart->unit);
}

static void
draw_whisker (Drawing * d, const BenchBar * bar, double middle)
{
  double low = d->left + at_least_zero (bar->low) * d->scale;
  double high = d->left + at_least_zero (bar->high) * d->scale;

  if (high <= low)
    return;
  /* paper around it, so that it is seen on the bar too */
  bench_svg_line (d->svg, low, middle, high, middle, BENCH_PAPER, 4);
  bench_svg_line (d->svg, low, middle, high, middle, BENCH_INK, 1.5);
  bench_svg_line (d->svg, low, middle - 5, low, middle + 5, BENCH_INK, 1.5);
  bench_svg_line (d->svg, high, middle - 5, high, middle + 5, BENCH_INK, 1.5);
}

static void
draw_bar (Drawing * d, const BenchBar * bar, size_t number)
{
  const BenchSvgFont label = {
    .size = LABEL_SIZE,.colour = BENCH_INK,.anchor = BENCH_ANCHOR_END
  };
  const BenchSvgFont value = {
    .size = LABEL_SIZE,.colour = BENCH_INK,.bold = true,.halo = true
  };
  const BenchSvgFont note = {
    .size = LABEL_SIZE,.colour = BENCH_MUTED,.halo = true
  };
  BenchSvgStyle style = {
    .fill = bench_colours[number % BENCH_COLOURS],
    .radius = 2,
    .class_name = "bar",
  };
  double top = d->y + (BAR_DISTANCE - BAR_HEIGHT) / 2.0;
  double middle = top + BAR_HEIGHT / 2.0, base = middle + 4.5;
  double x = d->left + bar_end (bar) * d->scale + 9;
  char text[64], tip[256];

  snprintf (tip, sizeof (tip), "%s: median %.*f, from %.*f to %.*f %s",
      bar->label, d->chart->decimals, bar->median, d->chart->decimals,
      bar->low, d->chart->decimals, bar->high, d->chart->unit);
  style.tip = tip;
  bench_svg_text (d->svg, d->left - 10, base, &label, bar->label);
  bench_svg_rect (d->svg, d->left, top, at_least_zero (bar->median) * d->scale,
      BAR_HEIGHT, &style);
  draw_whisker (d, bar, middle);
  value_text (d->chart, bar, text, sizeof (text));
  bench_svg_text (d->svg, x, base, &value, text);
  if (bar->note)
    bench_svg_text (d->svg, x + 8 + bench_svg_text_width (text, LABEL_SIZE,
            true), base, &note, bar->note);
  d->y += BAR_DISTANCE;
}

static void
draw_groups (Drawing * d)
{
  const BenchSvgFont label = {
    .size = 14,.colour = BENCH_INK,.bold = true,.halo = true
  };

  for (size_t g = 0; g < d->chart->count; g++) {
    const BenchBarGroup *group = &d->chart->groups[g];

    if (g > 0)
      d->y += GROUP_GAP;
    if (group->label) {
      bench_svg_text (d->svg, MARGIN, d->y + 16, &label, group->label);
      d->y += GROUP_LABEL_HEIGHT;
    }
    for (size_t b = 0; b < group->count; b++)
      draw_bar (d, &group->bars[b], b);
  }
}

bool
bench_bar_chart_write (const BenchBarChart * chart, const char *path)
{
  Drawing d = {.svg = bench_svg_new (WIDTH, chart->title),.chart = chart };
  bool written;

  if (!d.svg) {
    bench_say ("out of memory for the picture");
    return false;
  }
  lay_out (&d);
  draw_head (&d);
  draw_axis (&d);
  draw_groups (&d);
  d.y += AXIS_HEIGHT;
  for (size_t i = 0; i < chart->footnote_count; i++) {
    d.y += FOOTNOTE_HEIGHT;
    bench_svg_text (d.svg, MARGIN, d.y, &muted, chart->footnotes[i]);
  }
  written = bench_svg_write (d.svg, d.y + MARGIN - 8, path);
  bench_svg_free (d.svg);
  return written;
}
