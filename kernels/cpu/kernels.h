/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The cpu device's kernels: one prototype per family, one struct of pointers
 * that npu_kernels_init() fills for an instruction set. The portable C set is
 * complete and is the reference for every other one. Kernels know nothing of
 * devices, threads or programs; they neither allocate nor fail.
 *
 * Rules that all sets keep, so that the bits of a result depend on the set and
 * on nothing else: a sum runs in one order that follows from the shapes, never
 * from how rows and columns were dealt out to threads; a row's result does not
 * depend on the rows worked on beside it.
 */
#ifndef NPU_KERNELS_CPU_KERNELS_H
#define NPU_KERNELS_CPU_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Matrices, keys and values are kept in panels of this many columns. */
#define NPU_PANEL 16
/* A packed matrix is padded with zeros to a multiple of so many columns. */
#define NPU_PANEL_GROUP 64

/* A call of a gemm kernel covers at most this much of the product. */
#define NPU_GEMM_ROWS 48
#define NPU_GEMM_COLUMNS 512
/* A call of an attention kernel covers at most so many rows. */
#define NPU_ATTENTION_ROWS 240
/* Keys whose scores are held at a time; softmax is carried from block to
 * block. */
#define NPU_KEY_BLOCK 256
#define NPU_HEAD_SIZE_MAX 256
/* Bytes that a kernel may use as scratch, 64-byte aligned, any content. */
#define NPU_KERNEL_SCRATCH (1024 * 1024)

typedef enum
{
  NPU_WEIGHT_FLOAT32,
  NPU_WEIGHT_BF16,              /* upper half of a float32, rounded to even */
  NPU_WEIGHT_INT8,              /* times one float32 scale per output */
  NPU_WEIGHT_TYPES
} NpuWeightType;

/* A matrix of @outputs x @inputs, made by npu_matrix_pack(). Element (output o,
 * input i) lies at panels[(o / 16 * inputs + i) * 16 + o % 16]; of bf16, where
 * instructions take two inputs at a time, at
 * panels[(o / 16 * pairs + i / 2) * 32 + o % 16 * 2 + i % 2] with
 * pairs = (inputs + 1) / 2, the last of an odd number of inputs 0. */
typedef struct
{
  NpuWeightType type;
  size_t outputs;
  size_t inputs;
  void *panels;                 /* 64-byte aligned */
  float *scales;                /* int8: one per output, padded; else NULL */
} NpuMatrix;

/* Keys and values of up to @capacity rows, a multiple of NPU_PANEL. Key (row r,
 * column c) lies at keys[(r / 16 * width + c) * 16 + r % 16], value (r, c) at
 * values[(c / 16 * capacity + r) * 16 + c % 16]. */
typedef struct
{
  float *keys;
  float *values;
  size_t width;                 /* a multiple of NPU_PANEL */
  size_t capacity;
} NpuCache;

typedef enum
{
  NPU_EPILOGUE_NONE,
  NPU_EPILOGUE_GELU,            /* x (1 + erf (x / sqrt (2))) / 2 */
} NpuEpilogue;

/* output[r][o] = epilogue (sum over i of input[r][i] weight[o][i]
 *                          + bias[o]) + residual[r][o]
 * The sum starts at 0 and runs from the first to the last input; an int8
 * scale multiplies the finished sum. */
typedef struct
{
  const float *input[NPU_GEMM_ROWS];
  const float *residual[NPU_GEMM_ROWS]; /* all NULL, or none */
  float *output[NPU_GEMM_ROWS]; /* may be residual, not input */
  size_t output_column;         /* that output[r][0] is; most often 0 */
  size_t rows;
  const NpuMatrix *weight;
  const float *bias;            /* NULL for none */
  NpuEpilogue epilogue;
} NpuGemmArgs;

/* Computes @columns (at most NPU_GEMM_COLUMNS) from @first_column, a multiple
 * of NPU_PANEL_GROUP. */
typedef void (*NpuGemmFunc) (const NpuGemmArgs * args, size_t first_column,
    size_t columns, void *scratch);

/* One row: output = (input - mean) / sqrt (variance + 1e-5) * scale + shift.
 * The variance is the mean square of the differences from the mean. */
typedef struct
{
  size_t width;
  const float *scale;
  const float *shift;
} NpuLayerNormArgs;

typedef void (*NpuLayerNormFunc) (const NpuLayerNormArgs * args,
    const float *input, float *output);

/* softmax (query key^T / sqrt (head_size)) value, one head at a time. */
typedef struct
{
  const float *query;           /* row 0 */
  size_t query_stride;          /* floats from row to row */
  const float *keys;            /* not for attention_cached: row 0 */
  const float *values;
  size_t keys_stride;           /* of both */
  NpuCache cache;               /* for attention_cached only */
  float *output;                /* row 0; not the query */
  size_t output_stride;
  size_t head_size;             /* a multiple of 16, <= NPU_HEAD_SIZE_MAX */
  size_t visible;               /* keys that row 0 sees, at least 1 */
  size_t visible_step;          /* row r sees visible + r * visible_step */
  float *probabilities;         /* NULL, or row 0 of this head's */
  size_t probabilities_stride;  /* visible_step is 0 then */
} NpuAttentionArgs;

/* Computes at most NPU_ATTENTION_ROWS rows of head @head; the pointers in @args
 * are to head 0, those of probabilities to this head. */
typedef void (*NpuAttentionFunc) (const NpuAttentionArgs * args, size_t head,
    size_t first_row, size_t rows, void *scratch);

/* The largest of @count values, NaN left out; -INFINITY of nothing. */
typedef float (*NpuMaximumFunc) (const float *values, size_t count);

/* output = (max (input, floor) + 4) / 4; a NaN counts as the floor. */
typedef void (*NpuNormaliseFunc) (const float *input, float *output,
    size_t count, float floor);

#define NPU_RANK_MAX 8

/* The best of some logits and log (sum (exp (logit))) of all, as
 * maximum + log (sum). Begin with npu_rank_clear(). */
typedef struct
{
  int32_t token[NPU_RANK_MAX];
  float logit[NPU_RANK_MAX];    /* falling; -INFINITY where there are fewer */
  float maximum;
  float sum;
} NpuRank;

/* Fills @rank with the @k best of logits[0] ... logits[count - 1], the tokens
 * from @first_token; of equal ones the first is better. -INFINITY stands for a
 * token that must not be chosen. */
typedef void (*NpuRankFunc) (const float *logits, size_t count,
    int32_t first_token, size_t k, NpuRank * rank);

typedef struct
{
  const char *name;             /* of the instruction set */
  NpuGemmFunc gemm[NPU_WEIGHT_TYPES];
  NpuLayerNormFunc layer_norm;
  NpuAttentionFunc attention;   /* keys and values in rows */
  NpuAttentionFunc attention_cached;    /* keys and values in a cache */
  NpuMaximumFunc maximum;
  NpuNormaliseFunc normalise;
  NpuRankFunc rank;
} NpuKernels;

/**
 * npu_kernels_init:
 * Fill @kernels with the set called @name: "c", "avx2", "avx512" or
 * "avx512bf16".
 *
 * Returns false when the set does not exist here or the processor lacks what
 * it needs. Any thread.
 */
bool npu_kernels_init (NpuKernels * kernels, const char *name);

/**
 * npu_kernels_names:
 * Returns the NULL-terminated names of the sets that this processor can run,
 * best first, "c" last. Any thread.
 */
const char *const *npu_kernels_names (void);

void npu_kernels_init_c (NpuKernels * kernels);
void npu_kernels_init_avx2 (NpuKernels * kernels);
void npu_kernels_init_avx512 (NpuKernels * kernels);
void npu_kernels_init_avx512bf16 (NpuKernels * kernels);

/* ----------------------------------------------------------- packing */

/**
 * npu_matrix_depth:
 * Returns how many inputs a matrix of @inputs has with its padding; of these,
 * each with NPU_PANEL elements, a panel consists.
 */
size_t npu_matrix_depth (NpuWeightType type, size_t inputs);

/**
 * npu_matrix_panel_bytes:
 * Returns the bytes of the panels of a matrix, 0 on overflow.
 */
size_t npu_matrix_panel_bytes (NpuWeightType type, size_t outputs,
    size_t inputs);

/**
 * npu_matrix_pack:
 * Convert @rows rows (outputs) of float32 into their place in @matrix, and
 * fill the padding after the last row. Rounds to nearest even.
 *
 * @first_row  a multiple of NPU_PANEL_GROUP
 * @rows       at most NPU_PANEL_GROUP; fewer only at the end of the matrix
 * @values     @rows x matrix->inputs
 *
 * Any thread; calls for different rows may run at the same time.
 */
void npu_matrix_pack (const NpuMatrix * matrix, size_t first_row, size_t rows,
    const float *values);

/**
 * npu_matrix_row:
 * Convert row @row back to float32, matrix->inputs values.
 */
void npu_matrix_row (const NpuMatrix * matrix, size_t row, float *values);

/**
 * npu_cache_store:
 * Put one row of keys and values into @cache at @row.
 */
void npu_cache_store (const NpuCache * cache, size_t row, const float *keys,
    const float *values);

/**
 * npu_rank_clear:
 * Make @rank the rank of no logits.
 */
void npu_rank_clear (NpuRank * rank);

/**
 * npu_rank_merge:
 * Add @more, whose tokens are all greater than those in @rank, to @rank.
 */
void npu_rank_merge (NpuRank * rank, const NpuRank * more, size_t k);

/**
 * npu_rank_insert:
 * Put a candidate among the @k best of @rank where it is good enough; sums are
 * left alone.
 */
void npu_rank_insert (NpuRank * rank, size_t k, int32_t token, float logit);

#endif
