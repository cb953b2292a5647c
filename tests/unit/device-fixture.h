/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What the tests of the device interface share: a device for each instruction
 * set, a program with random weights that the test can see, and reading and
 * writing of activations. The latter know the cpu device's layout.
 */
#ifndef NPU_TESTS_DEVICE_FIXTURE_H
#define NPU_TESTS_DEVICE_FIXTURE_H

#include "device/device.h"

#include <check.h>

#include "random.h"

#define BANDS 20
#define WIDTH 48
#define GEMM_OUTPUTS 200
#define GEMM_INPUTS 77
#define STEM_POSITIONS 40
#define VOCABULARY 1101
#define TOKEN_POSITIONS 30

enum
{
  CONV1_WEIGHT,
  CONV1_BIAS,
  CONV2_WEIGHT,
  CONV2_BIAS,
  POSITIONS,
  NORM_SCALE,
  NORM_SHIFT,
  GEMM_WEIGHT,
  GEMM_BIAS,
  EMBEDDING,
  EMBEDDING_POSITIONS,
  TENSORS
};

typedef struct
{
  NpuDevice *device;            /* NULL when the processor lacks the set */
  NpuProgram *program;
  NpuQueue *queue;
  NpuFence *fence;
  float *weights[TENSORS];
} Fixture;

/* Instruction sets that are tried, as a loop test's index. */
#define ISAS 4
extern const char *const fixture_isas[ISAS];
extern const NpuTensorDescription fixture_tensors[TENSORS];

/* Returns false, and says so, when the processor lacks the set. */
bool fixture_open (Fixture * fixture, int isa, uint32_t threads,
    NpuPrecision precision);
/* A program of fixture->weights. */
NpuProgram *fixture_load (Fixture * fixture, NpuPrecision precision);
void fixture_close (Fixture * fixture);

/* Submit one operation, wait, and insist that it went well. */
void fixture_run (Fixture * fixture, const NpuOperation * operation);

/* A view of a buffer of its own, filled with NaN, for @rows activations. */
NpuView fixture_activations (Fixture * fixture, uint32_t rows, uint32_t width);
NpuView fixture_rows (Fixture * fixture, uint32_t rows, uint32_t width);
NpuView fixture_cache (Fixture * fixture, uint32_t rows, uint32_t width);
void fixture_free_view (NpuView * view);

/* Row @row of a view. */
float *activation_row (const NpuView * view, uint32_t width, uint32_t row);
float *plain_row (const NpuView * view, uint32_t width, uint32_t row);

/* Fill @view with random activations around 0. */
void fill_activations (const NpuView * view, uint32_t width);

/* Sums of squares over values that are compared. */
typedef struct
{
  double difference;
  double reference;
} Distance;

void distance_add (Distance * distance, double value, double reference);
/* Relative L2; a NaN anywhere makes it infinite. */
double distance_relative (const Distance * distance);

#define assert_close(distance, limit) \
  do { \
    double relative_ = distance_relative (&(distance)); \
    ck_assert_msg (relative_ <= (limit), "relative L2 %g, limit %g", \
        relative_, (double) (limit)); \
  } while (0)

/* Runs @suite with a seed that is printed, NPU_TEST_SEED or a fresh one;
 * returns the program's exit status. */
int fixture_main (Suite * suite);

#endif
