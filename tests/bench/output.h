/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What npu-bench prints and writes: messages, tables, JSON files; and the
 * spread of a measurement, as it stands in each of them.
 */
#ifndef NPU_BENCH_OUTPUT_H
#define NPU_BENCH_OUTPUT_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

/**
 * bench_say:
 * Print "npu-bench: ", a message in the manner of printf(), and a line's end on
 * standard error.
 */
void bench_say (const char *format, ...) NPU_PRINTF (1, 2);

/**
 * bench_write_file:
 * Write @size bytes of @text to @path and overwrite what is there; "-" is
 * standard output. Returns whether it succeeded; if not, the reason was said.
 */
bool bench_write_file (const char *path, const char *text, size_t size);

/**
 * bench_write_json:
 * Write @root, indented, its keys in the order in which they were set. @path
 * and result as with bench_write_file().
 */
bool bench_write_json (const char *path, const json_t * root);

typedef struct
{
  size_t count;
  double mean;
  double median;
  double least, low, high, most;        /* low and high: quartiles */
} BenchSpread;

/**
 * bench_spread:
 * Returns the spread of @count values, which are sorted; all 0 for none.
 * Quantiles between two values are interpolated linearly.
 */
BenchSpread bench_spread (double *values, size_t count);

/**
 * bench_spread_to_json:
 * Returns an object with the names of BenchSpread, to be given back with
 * json_decref().
 */
json_t *bench_spread_to_json (const BenchSpread * spread);

typedef struct BenchTable BenchTable;

/**
 * bench_table_new:
 * @heads    of the columns; not kept
 *
 * Returns a table without rows, or NULL when memory ran out. Free it with
 * bench_table_free().
 */
BenchTable *bench_table_new (const char *const *heads, size_t columns);

/**
 * bench_table_cell:
 * Fill the next cell, in the manner of printf(): from left to right, then on
 * in the next row.
 */
void bench_table_cell (BenchTable * table, const char *format, ...)
    NPU_PRINTF (2, 3);

/**
 * bench_table_print:
 * Print the table to @file: the first column to the left, the others to the
 * right, as numbers are.
 */
void bench_table_print (const BenchTable * table, FILE * file);

void bench_table_free (BenchTable * table);

#endif
