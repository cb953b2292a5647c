/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Writes SVG pictures: rectangles, lines and text in pixels, from the top left.
 * A picture brings its own light paper, so that it can be read in a dark viewer
 * too. Text is escaped; colours and classes are the program's own.
 */
#ifndef NPU_BENCH_SVG_H
#define NPU_BENCH_SVG_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/* Ink on the picture's paper, from strong to weak. */
#define BENCH_INK "#1d2733"
#define BENCH_MUTED "#586675"
#define BENCH_RULE "#dbe1e8"
#define BENCH_PAPER "#ffffff"
#define BENCH_SHADE "#f4f6f9"
#define BENCH_WARNING "#8a4b00"
#define BENCH_WARNING_SHADE "#fdeccf"

/* Colours that differ for colour-blind eyes too, dark enough for white text. */
#define BENCH_COLOURS 7
extern const char *const bench_colours[BENCH_COLOURS];

typedef struct BenchSvg BenchSvg;

/**
 * bench_svg_new:
 * Begin a picture of @width pixels; its height is given at the end.
 *
 * @title  for those who cannot see it
 *
 * Returns the picture, to be freed with bench_svg_free(), or NULL when memory
 * ran out.
 */
BenchSvg *bench_svg_new (double width, const char *title);

typedef struct
{
  const char *fill;             /* colour */
  const char *stroke;           /* colour; NULL for none */
  double radius;                /* of the corners */
  const char *class_name;       /* for programs that read it; NULL for none */
  const char *tip;              /* seen under the mouse; NULL for none */
} BenchSvgStyle;

void bench_svg_rect (BenchSvg * svg, double x, double y, double width,
    double height, const BenchSvgStyle * style);

void bench_svg_line (BenchSvg * svg, double x1, double y1, double x2,
    double y2, const char *colour, double width);

typedef enum
{
  BENCH_ANCHOR_START,
  BENCH_ANCHOR_MIDDLE,
  BENCH_ANCHOR_END,
} BenchAnchor;

typedef struct
{
  double size;                  /* pixels */
  const char *colour;
  bool bold;
  bool halo;                    /* of paper, where lines cross the text */
  BenchAnchor anchor;
} BenchSvgFont;

/* @y is that of the base line. */
void bench_svg_text (BenchSvg * svg, double x, double y,
    const BenchSvgFont * font, const char *text);

/**
 * bench_svg_text_width:
 * Returns about how many pixels wide @text will be, rather more than less: the
 * viewer chooses the font.
 */
double bench_svg_text_width (const char *text, double size, bool bold);

/**
 * bench_svg_badge:
 * Draw the word "emulated" such that nobody overlooks it. @y is the base line
 * of the text beside. Returns the badge's width.
 */
double bench_svg_badge (BenchSvg * svg, double x, double y);

/**
 * bench_svg_step:
 * Returns a round distance of ticks (1, 2 or 5 times a power of ten) such that
 * a @range has at most @ticks of them. @decimals (out) are needed to tell
 * ticks apart.
 */
double bench_svg_step (double range, double ticks, int *decimals);

/**
 * bench_svg_write:
 * Write the picture, which is @height high, to @path. Returns whether it
 * succeeded; if not, the reason was said.
 */
bool bench_svg_write (BenchSvg * svg, double height, const char *path);

void bench_svg_free (BenchSvg * svg);

#endif
