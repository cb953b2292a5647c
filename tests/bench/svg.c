/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The picture's shapes are collected in memory, so that a picture that cannot
 * be finished leaves no file, and so that the height can come last.
 */
#include "svg.h"

#include "output.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FONTS "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"
#define PAPER_RADIUS 8

const char *const bench_colours[BENCH_COLOURS] = {
  "#2f6db5", "#b8561b", "#2c8255", "#8650ab", "#b3394a", "#177f8c", "#85691a"
};

struct BenchSvg
{
  double width;
  char *title;
  FILE *shapes;
  char *text;                   /* of the shapes */
  size_t size;
};

BenchSvg *
bench_svg_new (double width, const char *title)
{
  BenchSvg *svg = calloc (1, sizeof (*svg));

  if (!svg)
    return NULL;
  svg->width = width;
  svg->title = strdup (title);
  svg->shapes = open_memstream (&svg->text, &svg->size);
  if (!svg->title || !svg->shapes) {
    bench_svg_free (svg);
    return NULL;
  }
  return svg;
}

/* Control characters have no place in XML; what they were shows as '?'. */
static void
print_escaped (FILE * file, const char *text)
{
  for (; *text; text++) {
    switch (*text) {
      case '<':
        fputs ("&lt;", file);
        break;
      case '>':
        fputs ("&gt;", file);
        break;
      case '&':
        fputs ("&amp;", file);
        break;
      case '"':
        fputs ("&quot;", file);
        break;
      default:
        fputc ((unsigned char) *text < 0x20 ? '?' : *text, file);
    }
  }
}

void
bench_svg_rect (BenchSvg * svg, double x, double y, double width,
    double height, const BenchSvgStyle * style)
{
  FILE *file = svg->shapes;

  fprintf (file, "<rect x=\"%.3f\" y=\"%.2f\" width=\"%.3f\" height=\"%.2f\" "
      "fill=\"%s\"", x, y, width, height, style->fill);
  if (style->radius > 0)
    fprintf (file, " rx=\"%.1f\"", fmin (style->radius, width / 2));
  if (style->stroke)
    fprintf (file, " stroke=\"%s\"", style->stroke);
  if (style->class_name)
    fprintf (file, " class=\"%s\"", style->class_name);
  if (style->tip) {
    fputs ("><title>", file);
    print_escaped (file, style->tip);
    fputs ("</title></rect>\n", file);
  } else {
    fputs ("/>\n", file);
  }
}

void
bench_svg_line (BenchSvg * svg, double x1, double y1, double x2, double y2,
    const char *colour, double width)
{
  fprintf (svg->shapes, "<line x1=\"%.2f\" y1=\"%.2f\" x2=\"%.2f\" y2=\"%.2f\" "
      "stroke=\"%s\" stroke-width=\"%.1f\"/>\n", x1, y1, x2, y2, colour, width);
}

void
bench_svg_text (BenchSvg * svg, double x, double y, const BenchSvgFont * font,
    const char *text)
{
  static const char *const anchors[] = { "start", "middle", "end" };
  FILE *file = svg->shapes;

  fprintf (file, "<text x=\"%.2f\" y=\"%.2f\" font-size=\"%.1f\" fill=\"%s\"",
      x, y, font->size, font->colour);
  if (font->anchor != BENCH_ANCHOR_START)
    fprintf (file, " text-anchor=\"%s\"", anchors[font->anchor]);
  if (font->bold)
    fputs (" font-weight=\"600\"", file);
  if (font->halo)
    fputs (" paint-order=\"stroke\" stroke=\"" BENCH_PAPER "\" "
        "stroke-width=\"5\" stroke-linejoin=\"round\"", file);
  fputc ('>', file);
  print_escaped (file, text);
  fputs ("</text>\n", file);
}

/* In parts of the font's size, of wide sans-serif fonts. */
double
bench_svg_text_width (const char *text, double size, bool bold)
{
  double width = 0;

  for (; *text; text++) {
    if (((unsigned char) *text & 0xc0) == 0x80)
      continue;
    if (strchr ("iljI.,:;|!'", *text))
      width += 0.34;
    else if (strchr ("frt()-/ ", *text))
      width += 0.42;
    else if (strchr ("mwMW%@", *text))
      width += 0.96;
    else if ((*text >= 'A' && *text <= 'Z') || (unsigned char) *text >= 0x80)
      width += 0.74;
    else
      width += 0.64;
  }
  return width * size * (bold ? 1.1 : 1);
}

double
bench_svg_badge (BenchSvg * svg, double x, double y)
{
  static const char word[] = "emulated";
  const BenchSvgFont font = {
    .size = 13,
    .colour = BENCH_WARNING,
    .bold = true,
    .anchor = BENCH_ANCHOR_MIDDLE,
  };
  const BenchSvgStyle style = {
    .fill = BENCH_WARNING_SHADE,
    .radius = 10,
    .class_name = "emulated",
  };
  double width = bench_svg_text_width (word, font.size, true) + 20;

  bench_svg_rect (svg, x, y - 15, width, 21, &style);
  bench_svg_text (svg, x + width / 2, y, &font, word);
  return width;
}

double
bench_svg_step (double range, double ticks, int *decimals)
{
  double least = range / ticks;
  double power = pow (10, floor (log10 (least)));
  double step = 10 * power;

  if (least <= power)
    step = power;
  else if (least <= 2 * power)
    step = 2 * power;
  else if (least <= 5 * power)
    step = 5 * power;
  *decimals = (int) fmax (0, -floor (log10 (step) + 1e-9));
  return step;
}

static void
print_picture (const BenchSvg * svg, double height, FILE * file)
{
  fprintf (file, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" "
      "height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" "
      "font-family=\"" FONTS "\">\n<title>", svg->width, height, svg->width,
      height);
  print_escaped (file, svg->title);
  fprintf (file, "</title>\n<rect width=\"%.0f\" height=\"%.0f\" rx=\"%d\" "
      "fill=\"" BENCH_PAPER "\"/>\n", svg->width, height, PAPER_RADIUS);
  fwrite (svg->text, 1, svg->size, file);
  fputs ("</svg>\n", file);
}

bool
bench_svg_write (BenchSvg * svg, double height, const char *path)
{
  char *text = NULL;
  size_t size = 0;
  FILE *file = open_memstream (&text, &size);
  bool complete = file != NULL && fflush (svg->shapes) == 0;

  if (complete)
    print_picture (svg, height, file);
  if (file && fclose (file) != 0)
    complete = false;
  if (!complete)
    bench_say ("out of memory for the picture");
  else
    complete = bench_write_file (path, text, size);
  free (text);
  return complete;
}

void
bench_svg_free (BenchSvg * svg)
{
  if (!svg)
    return;
  if (svg->shapes)
    fclose (svg->shapes);
  free (svg->text);
  free (svg->title);
  free (svg);
}
