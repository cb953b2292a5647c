/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Messages, files, tables and spreads.
 */
#include "output.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void
bench_say (const char *format, ...)
{
  va_list args;

  va_start (args, format);
  fputs ("npu-bench: ", stderr);
  vfprintf (stderr, format, args);
  fputc ('\n', stderr);
  va_end (args);
}

bool
bench_write_file (const char *path, const char *text, size_t size)
{
  bool to_stdout = strcmp (path, "-") == 0, written;
  FILE *file = to_stdout ? stdout : fopen (path, "w");

  written = file && fwrite (text, 1, size, file) == size && fflush (file) == 0;
  if (!written)
    bench_say ("%s cannot be written: %s; name a file elsewhere",
        to_stdout ? "standard output" : path, strerror (errno));
  if (file && !to_stdout)
    fclose (file);
  return written;
}

bool
bench_write_json (const char *path, const json_t * root)
{
  char *text = json_dumps (root, JSON_INDENT (2) | JSON_REAL_PRECISION (9));
  size_t length;
  bool written;

  if (!text) {
    bench_say ("%s was not written: the figures are no JSON", path);
    return false;
  }
  length = strlen (text);
  text[length] = '\n';          /* instead of the end, which is not needed */
  written = bench_write_file (path, text, length + 1);
  free (text);
  return written;
}

/* ------------------------------------------------------------- spread */

static int
compare_doubles (const void *a, const void *b)
{
  double left = *(const double *) a, right = *(const double *) b;

  return (left > right) - (left < right);
}

static double
quantile (const double *sorted, size_t count, double share)
{
  double place = share * (double) (count - 1);
  size_t below = (size_t) place;
  size_t above = below + 1 < count ? below + 1 : below;

  return sorted[below] +
      (sorted[above] - sorted[below]) * (place - (double) below);
}

BenchSpread
bench_spread (double *values, size_t count)
{
  BenchSpread spread = {.count = count };
  double sum = 0;

  if (count == 0)
    return spread;
  qsort (values, count, sizeof (*values), compare_doubles);
  for (size_t i = 0; i < count; i++)
    sum += values[i];
  spread.mean = sum / (double) count;
  spread.median = quantile (values, count, 0.5);
  spread.least = values[0];
  spread.low = quantile (values, count, 0.25);
  spread.high = quantile (values, count, 0.75);
  spread.most = values[count - 1];
  return spread;
}

json_t *
bench_spread_to_json (const BenchSpread * spread)
{
  return json_pack ("{s:I, s:f, s:f, s:f, s:f, s:f, s:f}",
      "count", (json_int_t) spread->count, "mean", spread->mean,
      "median", spread->median, "least", spread->least, "low", spread->low,
      "high", spread->high, "most", spread->most);
}

/* -------------------------------------------------------------- table */

struct BenchTable
{
  size_t columns;
  size_t count;                 /* of cells, the heads among them */
  size_t room;
  char **cells;
};

static void
append (BenchTable * table, char *text)
{
  if (table->count == table->room) {
    size_t room = table->room * 2 + table->columns;
    char **cells = realloc (table->cells, room * sizeof (*cells));

    if (!cells) {
      free (text);
      return;
    }
    table->cells = cells;
    table->room = room;
  }
  table->cells[table->count++] = text;
}

BenchTable *
bench_table_new (const char *const *heads, size_t columns)
{
  BenchTable *table = calloc (1, sizeof (*table));

  if (!table)
    return NULL;
  table->columns = columns;
  for (size_t i = 0; i < columns; i++)
    bench_table_cell (table, "%s", heads[i]);
  return table;
}

void
bench_table_cell (BenchTable * table, const char *format, ...)
{
  char *text;
  va_list args;

  va_start (args, format);
  if (vasprintf (&text, format, args) >= 0)
    append (table, text);
  va_end (args);
}

/* Characters, not bytes: whatever does not continue one in UTF-8. */
static size_t
text_length (const char *text)
{
  size_t length = 0;

  for (; *text; text++)
    length += ((unsigned char) *text & 0xc0) != 0x80;
  return length;
}

static size_t
column_width (const BenchTable * table, size_t column)
{
  size_t width = 0;

  for (size_t i = column; i < table->count; i += table->columns) {
    size_t length = text_length (table->cells[i]);

    width = length > width ? length : width;
  }
  return width;
}

static void
print_times (char c, size_t count, FILE * file)
{
  while (count-- > 0)
    fputc (c, file);
}

void
bench_table_print (const BenchTable * table, FILE * file)
{
  for (size_t i = 0; i < table->count; i++) {
    size_t column = i % table->columns;
    bool last = column + 1 == table->columns || i + 1 == table->count;
    size_t padding = column_width (table, column) -
        text_length (table->cells[i]);

    if (column > 0)
      print_times (' ', 2 + padding, file);
    fputs (table->cells[i], file);
    if (column == 0 && !last)
      print_times (' ', padding, file);
    if (last)
      fputc ('\n', file);
    if (i + 1 == table->columns) {
      for (size_t c = 0; c < table->columns; c++)
        print_times ('-', column_width (table, c) + (c > 0 ? 2 : 0), file);
      fputc ('\n', file);
    }
  }
}

void
bench_table_free (BenchTable * table)
{
  if (!table)
    return;
  for (size_t i = 0; i < table->count; i++)
    free (table->cells[i]);
  free (table->cells);
  free (table);
}
