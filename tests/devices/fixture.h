/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the tests of devices share: a device with a program of random weights,
 * and rows that go in and come out. Nothing here knows a device's layout:
 * activations are made by a gemm of rows and read by a layer norm to rows.
 */
#ifndef NPU_TESTS_DEVICES_FIXTURE_H
#define NPU_TESTS_DEVICES_FIXTURE_H

#include "device/device.h"

#include <check.h>

#include "random.h"

#define INPUTS 77
#define WIDTH 96
#define HEADS 2
#define BANDS 20
#define POSITIONS_MAX 80

enum
{
  INPUT_WEIGHT,                 /* WIDTH x INPUTS */
  INPUT_BIAS,
  SQUARE_WEIGHT,                /* WIDTH x WIDTH */
  HEADS_WEIGHT,                 /* 3 WIDTH x WIDTH */
  HEADS_BIAS,
  NORM_SCALE,
  NORM_SHIFT,
  CONV1_WEIGHT,
  CONV1_BIAS,
  CONV2_WEIGHT,
  CONV2_BIAS,
  POSITIONS,
  TENSORS
};

extern const NpuTensorDescription fixture_tensors[TENSORS];

typedef struct
{
  NpuDevice *device;
  NpuProgram *program;
  NpuQueue *queue;
  NpuFence *fence;
  float *weights[TENSORS];      /* the same in every fixture of a process */
} Fixture;

/* Insists that all goes well. @settings may be NULL. */
void fixture_open (Fixture * fixture, const char *name, uint32_t threads,
    const char *settings);
void fixture_close (Fixture * fixture);

/* A view of a buffer of its own. */
NpuView fixture_view (Fixture * fixture, size_t size, uint32_t rows);
NpuView fixture_rows (Fixture * fixture, uint32_t rows, uint32_t width);
NpuView fixture_activations (Fixture * fixture, uint32_t rows,
    uint32_t width);
void fixture_free_view (NpuView * view);
void *view_host (const NpuView * view);
void upload (const NpuView * view);
void download (const NpuView * view);

/* Rows of random values around 0, uploaded. */
NpuView fixture_random_rows (Fixture * fixture, uint32_t rows,
    uint32_t width);

/* Fill @operations' usual fields; all of a batch of 1. */
NpuOperation gemm_of (const NpuView * input, const NpuView * output,
    uint32_t weight, uint32_t bias);
NpuOperation norm_of (const NpuView * input, const NpuView * output);

/* Submit and wait. */
void fixture_submit (Fixture * fixture, const NpuOperation * operations,
    size_t count, NpuFence * fence);
NpuStatus fixture_run (Fixture * fixture, const NpuOperation * operations,
    size_t count);

/* Tiles of one kernel with the list that runs them. */
typedef struct
{
  NpuView input;
  NpuView output;
  NpuOperation operation;
} Tiles;

#define TILE_BYTES 512          /* of a GELU, in and out */

void create_tiles (Fixture * fixture, Tiles * tiles, NpuTileKernel kernel,
    uint32_t count);
/* One tile of GELU, uploaded with @value everywhere: 50 and more give
 * themselves, 0 gives 0. */
void create_gelu (Fixture * fixture, Tiles * tiles, int8_t value);
void free_tiles (Tiles * tiles);
NpuStatus run_tiles (Fixture * fixture, Tiles * tiles);
/* Downloads. */
int8_t first_output (const Tiles * tiles);

/* Load a program of one vector of zeros. */
NpuStatus load_vector (Fixture * fixture, uint32_t width,
    NpuPrecision precision, NpuProgram ** program);

/* Insists that @count values differ by at most @limit in relative L2. */
void assert_close (const float *values, const double *reference, size_t count,
    double limit);

/* Runs @suite with a seed that is printed, NPU_TEST_SEED or a fresh one;
 * returns the program's exit status. */
int fixture_main (Suite * suite);

#endif
