/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The kernels over vectors, for an instruction set that the including file
 * describes: the type Vector of LANES floats, the vector_...() functions over
 * it, and TILE_ROWS, TILE_PANELS, the block of a product that fits its
 * registers (TILE_ROWS divides by 3, NPU_GEMM_ROWS and NPU_ATTENTION_ROWS by
 * TILE_ROWS); where it has dot products of bf16, also DOT_BF16 and the two
 * functions for it. At the end stands fill_kernels().
 *
 * All products run through tile(): some rows times some panels, sums in
 * registers, each sum from the first to the last input in fused steps. A row
 * thereby gets the same bits alone or among others.
 */
#include "cpu/kernels.h"

#include <math.h>
#include <string.h>

#define LAYER_NORM_EPSILON 1e-5f
#define ALWAYS_INLINE inline __attribute__ ((always_inline))

#define PANEL_VECTORS (NPU_PANEL / LANES)
/* Panels that a single row takes at a time: enough sums to hide the latency,
 * few enough streams for the prefetcher. */
#define ROW_PANELS 4
#define MAX_TILE_VECTORS (ROW_PANELS * PANEL_VECTORS)

/* Inputs that a product takes at a time, so that a tile of rows stays in the
 * first cache and a group of panels in the second. */
#define DEPTH_BLOCK 512
/* Rows in scratch are so far apart that no two fall on the same cache sets. */
#define TILE_STRIDE (DEPTH_BLOCK + 16)
#define OUTPUT_STRIDE (NPU_HEAD_SIZE_MAX + 16)

_Static_assert (NPU_GEMM_COLUMNS <= TILE_STRIDE
    && NPU_KEY_BLOCK <= TILE_STRIDE && NPU_HEAD_SIZE_MAX <= TILE_STRIDE,
    "a row of scratch is too short");
_Static_assert (NPU_GEMM_ROWS % TILE_ROWS == 0
    && NPU_ATTENTION_ROWS % TILE_ROWS == 0 && TILE_ROWS % 3 == 0
    && NPU_PANEL_GROUP % (TILE_PANELS * NPU_PANEL) == 0,
    "tiles do not fit the blocks");

/* --------------------------------------------------------- functions */

/* exp (x) to about 1e-7 of its value; 0 below the smallest normal number. */
static ALWAYS_INLINE Vector
vector_exp (Vector x)
{
  Vector lowest = vector_set (-87.3f), highest = vector_set (88.3f);
  /* Of two, the second comes out when one is a NaN, which stays a NaN so. */
  Vector bounded = vector_min (highest, vector_max (lowest, x));
  /* x = n ln 2 + r, ln 2 in two parts so that n ln 2 is exact enough */
  Vector n = vector_round (vector_mul (bounded, vector_set (1.44269504f)));
  Vector r = vector_fma (n, vector_set (-0.693145752f), bounded);
  Vector sum = vector_set (1.0f / 5040);

  r = vector_fma (n, vector_set (-1.42860677e-6f), r);
  sum = vector_fma (sum, r, vector_set (1.0f / 720));
  sum = vector_fma (sum, r, vector_set (1.0f / 120));
  sum = vector_fma (sum, r, vector_set (1.0f / 24));
  sum = vector_fma (sum, r, vector_set (1.0f / 6));
  sum = vector_fma (sum, r, vector_set (1.0f / 2));
  sum = vector_fma (sum, r, vector_set (1.0f));
  sum = vector_fma (sum, r, vector_set (1.0f));
  return vector_zero_where_less (x, lowest, vector_power_of_two (sum, n));
}

/* x (1 + erf (x / sqrt (2))) / 2 = max (x, 0) - |x| erfc (|x| / sqrt (2)) / 2,
 * erfc by formula 7.1.26 of Abramowitz and Stegun, which errs by 1.5e-7 at
 * most. */
static ALWAYS_INLINE Vector
vector_gelu (Vector x)
{
  Vector magnitude = vector_max (x, vector_sub (vector_set (0.0f), x));
  Vector z = vector_mul (magnitude, vector_set (0.70710678f));
  Vector t = vector_div (vector_set (1.0f),
      vector_fma (z, vector_set (0.3275911f), vector_set (1.0f)));
  Vector sum = vector_set (1.061405429f);

  sum = vector_fma (sum, t, vector_set (-1.453152027f));
  sum = vector_fma (sum, t, vector_set (1.421413741f));
  sum = vector_fma (sum, t, vector_set (-0.284496736f));
  sum = vector_fma (sum, t, vector_set (0.254829592f));
  sum = vector_mul (vector_mul (sum, t),
      vector_exp (vector_mul (z, vector_sub (vector_set (0.0f), z))));
  return vector_sub (vector_max (x, vector_set (0.0f)),
      vector_mul (vector_mul (magnitude, vector_set (0.5f)), sum));
}

/* ---------------------------------------------------------- products */

/* sums[r][c] = (add ? sums[r][c] : 0) + sum over k of input[r][k] panel[k][c],
 * rows of input TILE_STRIDE apart. Rows of the last tile beyond those asked for
 * are computed too, from what lies there. */
typedef struct
{
  const float *input;
  const void *panels;
  size_t panel_stride;          /* elements from panel to panel */
  size_t depth;
  float *sums;
  size_t sums_stride;
  bool add;
} Product;

/* Input @lane, 0 or 1, of the pair of inputs at @at; float32 and int8 have one
 * behind the other, bf16 have them in pairs. */
static ALWAYS_INLINE Vector
load_weight (const void *panels, size_t at, size_t vector, const int lane,
    const NpuWeightType type)
{
  const uint16_t *pairs = (const uint16_t *) panels + at + vector * 2 * LANES;

  if (type == NPU_WEIGHT_BF16)
    return lane ? vector_load_bf16_second (pairs) :
        vector_load_bf16_first (pairs);
  at += vector * LANES + lane * NPU_PANEL;
  if (type == NPU_WEIGHT_FLOAT32)
    return vector_load ((const float *) panels + at);
  else
    return vector_load_int8 ((const int8_t *) panels + at);
}

/* One input of some rows and panels. */
static ALWAYS_INLINE void
tile_step (const float *input, const void *panels, size_t at, size_t stride,
    const int rows, const int vectors, const int lane,
    const NpuWeightType type, Vector sum[TILE_ROWS][MAX_TILE_VECTORS])
{
  Vector weight[MAX_TILE_VECTORS];

#pragma GCC unroll 16
  for (int v = 0; v < vectors; v++)
    weight[v] = load_weight (panels, at + (size_t) (v / PANEL_VECTORS) * stride,
        v % PANEL_VECTORS, lane, type);
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++) {
    Vector value = vector_set (input[r * TILE_STRIDE + lane]);

#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++)
      sum[r][v] = vector_fma (value, weight[v], sum[r][v]);
  }
}

#ifdef DOT_BF16
#define HAS_DOT_BF16 true

/* A pair of inputs, rounded to bf16, of some rows and panels. */
static ALWAYS_INLINE void
tile_pair (const float *input, size_t k, const void *panels, size_t at,
    size_t stride, const int rows, const int vectors,
    Vector sum[TILE_ROWS][MAX_TILE_VECTORS])
{
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++)
      sum[r][v] = vector_dot_bf16 (sum[r][v],
          (const uint16_t *) (input + r * TILE_STRIDE) + k,
          (const uint16_t *) panels + at
          + (size_t) (v / PANEL_VECTORS) * stride
          + (size_t) (v % PANEL_VECTORS) * 2 * LANES);
}
#else
#define HAS_DOT_BF16 false
#define tile_pair(...)
#define vector_store_bf16(...)
#endif

static ALWAYS_INLINE void
tile (const Product * product, size_t first_row, size_t first_panel,
    const int rows, const int panels, const NpuWeightType type)
{
  const int vectors = panels * PANEL_VECTORS;
  const float *input = product->input + first_row * TILE_STRIDE;
  float *sums = product->sums + first_row * product->sums_stride
      + first_panel * NPU_PANEL;
  size_t stride = product->panel_stride;
  size_t at = first_panel * stride, k = 0;
  Vector sum[TILE_ROWS][MAX_TILE_VECTORS];

#pragma GCC unroll 16
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++)
      sum[r][v] = product->add
          ? vector_load (sums + r * product->sums_stride + v * LANES)
          : vector_set (0.0f);
  if (HAS_DOT_BF16 && type == NPU_WEIGHT_BF16)
    for (; k < product->depth; k += 2, at += 2 * NPU_PANEL)
      tile_pair (input, k, product->panels, at, stride, rows, vectors, sum);
  for (; k + 2 <= product->depth; k += 2, at += 2 * NPU_PANEL) {
    tile_step (input + k, product->panels, at, stride, rows, vectors, 0, type,
        sum);
    tile_step (input + k, product->panels, at, stride, rows, vectors, 1, type,
        sum);
  }
  if (k < product->depth)
    tile_step (input + k, product->panels, at, stride, rows, vectors, 0, type,
        sum);
#pragma GCC unroll 16
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
    for (int v = 0; v < vectors; v++)
      vector_store (sums + r * product->sums_stride + v * LANES, sum[r][v]);
}

/* Panels @panel ... @panel + @panels - 1 for all rows. */
static ALWAYS_INLINE void
tile_rows (const Product * product, size_t rows, size_t panel,
    const int panels, const NpuWeightType type)
{
  size_t row = 0;

  for (; row + TILE_ROWS <= rows; row += TILE_ROWS)
    tile (product, row, panel, TILE_ROWS, panels, type);
  if (rows - row > TILE_ROWS / 3 * 2)
    tile (product, row, panel, TILE_ROWS, panels, type);
  else if (rows - row > TILE_ROWS / 3)
    tile (product, row, panel, TILE_ROWS / 3 * 2, panels, type);
  else if (rows - row > 0)
    tile (product, row, panel, TILE_ROWS / 3, panels, type);
}

static ALWAYS_INLINE void
multiply (const Product * product, size_t rows, size_t panels,
    const NpuWeightType type)
{
  size_t panel = 0;

  if (rows == 1) {
    for (; panel + ROW_PANELS <= panels; panel += ROW_PANELS)
      tile (product, 0, panel, 1, ROW_PANELS, type);
    for (; panel < panels; panel++)
      tile (product, 0, panel, 1, 1, type);
    return;
  }
  for (; panel + TILE_PANELS <= panels; panel += TILE_PANELS)
    tile_rows (product, rows, panel, TILE_PANELS, type);
  for (; panel < panels; panel++)
    tile_rows (product, rows, panel, 1, type);
}

/* One copy of it for each type, called from every family. */
static __attribute__ ((noinline))
void
multiply_float32 (const Product * product, size_t rows, size_t panels)
{
  multiply (product, rows, panels, NPU_WEIGHT_FLOAT32);
}

static void
multiply_bf16 (const Product * product, size_t rows, size_t panels)
{
  multiply (product, rows, panels, NPU_WEIGHT_BF16);
}

static void
multiply_int8 (const Product * product, size_t rows, size_t panels)
{
  multiply (product, rows, panels, NPU_WEIGHT_INT8);
}

/* -------------------------------------------------------------- gemm */

typedef struct
{
  float input[NPU_GEMM_ROWS][TILE_STRIDE];
  float sums[NPU_GEMM_ROWS][TILE_STRIDE];
} GemmScratch;

_Static_assert (sizeof (GemmScratch) <= NPU_KERNEL_SCRATCH,
    "gemm needs more scratch");

static void
finish_gemm_row (const NpuGemmArgs * args, size_t row, size_t first_column,
    size_t columns, const float *sums)
{
  const float *scales = args->weight->scales;
  const float *residual = args->residual[row];
  float *output = args->output[row] + (first_column - args->output_column);

  for (size_t c = 0; c < columns; c += LANES) {
    size_t column = first_column + c;
    size_t count = columns - c < LANES ? columns - c : LANES;
    Vector value = vector_load (sums + c);

    if (scales)
      value = vector_mul (value, vector_load (scales + column));
    if (args->bias)
      value = vector_add (value,
          vector_load_some (args->bias + column, count, 0.0f));
    if (args->epilogue == NPU_EPILOGUE_GELU)
      value = vector_gelu (value);
    if (residual)
      value = vector_add (value,
          vector_load_some (residual + column, count, 0.0f));
    vector_store_some (output + c, value, count);
  }
}

static ALWAYS_INLINE void
load_input (float *scratch, const float *input, size_t count,
    NpuWeightType type)
{
  if (HAS_DOT_BF16 && type == NPU_WEIGHT_BF16)
    vector_store_bf16 ((uint16_t *) scratch, input, count);
  else
    memcpy (scratch, input, count * sizeof (float));
}

static ALWAYS_INLINE void
gemm (const NpuGemmArgs * args, size_t first_column, size_t columns,
    GemmScratch * scratch, size_t element_size,
    void (*multiply_type) (const Product *, size_t, size_t))
{
  size_t inputs = args->weight->inputs;
  size_t depth = npu_matrix_depth (args->weight->type, inputs);
  size_t panels = (columns + NPU_PANEL_GROUP - 1) / NPU_PANEL_GROUP
      * (NPU_PANEL_GROUP / NPU_PANEL);
  Product product = {
    .input = scratch->input[0],
    .panel_stride = depth * NPU_PANEL,
    .sums = scratch->sums[0],
    .sums_stride = TILE_STRIDE,
  };

  for (size_t first = 0; first < inputs; first += DEPTH_BLOCK) {
    size_t left = inputs - first;

    product.depth = left < DEPTH_BLOCK ? left : DEPTH_BLOCK;
    product.add = first > 0;
    product.panels = (const char *) args->weight->panels
        + (first_column * depth + first * NPU_PANEL) * element_size;
    for (size_t r = 0; r < args->rows; r++)
      load_input (scratch->input[r], args->input[r] + first, product.depth,
          args->weight->type);
    multiply_type (&product, args->rows, panels);
  }
  for (size_t r = 0; r < args->rows; r++)
    finish_gemm_row (args, r, first_column, columns, scratch->sums[r]);
}

static void
gemm_float32 (const NpuGemmArgs * args, size_t first_column, size_t columns,
    void *scratch)
{
  gemm (args, first_column, columns, scratch, sizeof (float),
      multiply_float32);
}

static void
gemm_bf16 (const NpuGemmArgs * args, size_t first_column, size_t columns,
    void *scratch)
{
  gemm (args, first_column, columns, scratch, sizeof (uint16_t),
      multiply_bf16);
}

static void
gemm_int8 (const NpuGemmArgs * args, size_t first_column, size_t columns,
    void *scratch)
{
  gemm (args, first_column, columns, scratch, sizeof (int8_t), multiply_int8);
}

/* -------------------------------------------------------- layer norm */

static float
sum_of (const float *values, size_t count)
{
  Vector sum = vector_set (0.0f);
  size_t i = 0;

  for (; i + LANES <= count; i += LANES)
    sum = vector_add (sum, vector_load (values + i));
  sum = vector_add (sum, vector_load_some (values + i, count - i, 0.0f));
  return vector_sum (sum);
}

static float
squares_of (const float *values, size_t count, float mean)
{
  Vector sum = vector_set (0.0f), offset = vector_set (mean), difference;
  size_t i = 0;

  for (; i + LANES <= count; i += LANES) {
    difference = vector_sub (vector_load (values + i), offset);
    sum = vector_fma (difference, difference, sum);
  }
  difference = vector_sub (vector_load_some (values + i, count - i, mean),
      offset);
  sum = vector_fma (difference, difference, sum);
  return vector_sum (sum);
}

static void
layer_norm (const NpuLayerNormArgs * args, const float *input, float *output)
{
  size_t width = args->width;
  float mean = sum_of (input, width) / width;
  float square = squares_of (input, width, mean);
  Vector offset = vector_set (mean);
  Vector factor = vector_set (1.0f / sqrtf (square / width
          + LAYER_NORM_EPSILON));

  for (size_t i = 0; i < width; i += LANES) {
    size_t count = width - i < LANES ? width - i : LANES;
    Vector value = vector_mul (vector_sub (vector_load_some (input + i, count,
                0.0f), offset), factor);

    value = vector_fma (value, vector_load_some (args->scale + i, count, 0.0f),
        vector_load_some (args->shift + i, count, 0.0f));
    vector_store_some (output + i, value, count);
  }
}

/* --------------------------------------------------------- attention */

/* Softmax of some rows as far as keys were seen: output is the sum of
 * exp (score - maximum) value, to be divided by sum at the end. */
typedef struct
{
  float query[TILE_ROWS][TILE_STRIDE];
  float scores[TILE_ROWS][TILE_STRIDE];
  float output[NPU_ATTENTION_ROWS][OUTPUT_STRIDE];
  float maximum[NPU_ATTENTION_ROWS];
  float sum[NPU_ATTENTION_ROWS];
  float keys[NPU_KEY_BLOCK * NPU_HEAD_SIZE_MAX];
  float values[NPU_KEY_BLOCK * NPU_HEAD_SIZE_MAX];
} AttentionScratch;

_Static_assert (sizeof (AttentionScratch) <= NPU_KERNEL_SCRATCH,
    "attention needs more scratch");

/* What some rows of one head do to a block of keys. */
typedef struct
{
  const NpuAttentionArgs *args;
  size_t head;
  const NpuCache *cache;
  size_t column;                /* the head's first in the cache */
  size_t block_row;             /* the block's first in the cache */
  size_t first_key;             /* the block's first key */
  size_t count;                 /* of keys in the block */
  AttentionScratch *scratch;
} Attending;

static void
load_query (const Attending * attending, size_t row, size_t rows)
{
  const NpuAttentionArgs *args = attending->args;
  Vector factor = vector_set (1.0f / sqrtf (args->head_size));

  for (size_t r = 0; r < rows; r++) {
    const float *query = args->query + (row + r) * args->query_stride
        + attending->head * args->head_size;

    for (size_t d = 0; d < args->head_size; d += LANES)
      vector_store (attending->scratch->query[r] + d,
          vector_mul (vector_load (query + d), factor));
  }
}

/* Turn a row's scores into exp (score - maximum), those from @visible on into
 * 0, and carry the row's state over. */
static void
softmax_row (AttentionScratch * scratch, float *scores, size_t state,
    size_t visible, size_t count, size_t head_size)
{
  Vector maximum = vector_set (scratch->maximum[state]);
  Vector sum = vector_set (0.0f), rescale;
  float before = scratch->maximum[state];

  for (size_t k = 0; k < visible; k += LANES)
    maximum = vector_max (vector_load_some (scores + k,
            visible - k < LANES ? visible - k : LANES, -INFINITY), maximum);
  scratch->maximum[state] = vector_maximum (maximum);
  maximum = vector_set (scratch->maximum[state]);
  for (size_t k = 0; k < count; k += LANES) {
    size_t valid = k >= visible ? 0
        : visible - k < LANES ? visible - k : LANES;
    Vector value = vector_exp (vector_sub (vector_load_some (scores + k, valid,
                -INFINITY), maximum));

    sum = vector_add (sum, value);
    vector_store (scores + k, value);
  }
  rescale = vector_exp (vector_sub (vector_set (before), maximum));
  scratch->sum[state] = scratch->sum[state] * vector_first (rescale)
      + vector_sum (sum);
  if (before == scratch->maximum[state])
    return;
  for (size_t d = 0; d < head_size; d += LANES)
    vector_store (scratch->output[state] + d,
        vector_mul (vector_load (scratch->output[state] + d), rescale));
}

/* Rows @row ... @row + @rows - 1, at most TILE_ROWS, against the block; their
 * state begins at @state. */
static void
attend_tile (const Attending * attending, size_t row, size_t rows,
    size_t state)
{
  const NpuAttentionArgs *args = attending->args;
  const NpuCache *cache = attending->cache;
  AttentionScratch *scratch = attending->scratch;
  size_t count = attending->count;
  Product product = {
    .input = scratch->query[0],
    .panels = cache->keys + attending->block_row * cache->width
        + attending->column * NPU_PANEL,
    .panel_stride = cache->width * NPU_PANEL,
    .depth = args->head_size,
    .sums = scratch->scores[0],
    .sums_stride = TILE_STRIDE,
  };

  load_query (attending, row, rows);
  multiply_float32 (&product, rows, (count + NPU_PANEL - 1) / NPU_PANEL);
  for (size_t r = 0; r < rows; r++) {
    size_t visible = args->visible + (row + r) * args->visible_step;

    visible = visible <= attending->first_key ? 0
        : visible - attending->first_key;
    if (args->probabilities)
      memcpy (args->probabilities + (row + r) * args->probabilities_stride
          + attending->first_key, scratch->scores[r], count * sizeof (float));
    softmax_row (scratch, scratch->scores[r], state + r,
        visible < count ? visible : count, count, args->head_size);
  }
  product.input = scratch->scores[0];
  product.panels = cache->values + attending->column * cache->capacity
      + attending->block_row * NPU_PANEL;
  product.panel_stride = cache->capacity * NPU_PANEL;
  product.depth = count;
  product.sums = scratch->output[state];
  product.sums_stride = OUTPUT_STRIDE;
  product.add = true;
  multiply_float32 (&product, rows, args->head_size / NPU_PANEL);
}

static void
clear_rows (AttentionScratch * scratch, size_t rows, size_t head_size)
{
  for (size_t r = 0; r < rows; r++) {
    scratch->maximum[r] = -INFINITY;
    scratch->sum[r] = 0.0f;
    memset (scratch->output[r], 0, head_size * sizeof (float));
  }
}

static void
finish_attention_row (const Attending * attending, size_t row, size_t state)
{
  const NpuAttentionArgs *args = attending->args;
  const AttentionScratch *scratch = attending->scratch;
  float *output = args->output + row * args->output_stride
      + attending->head * args->head_size;
  Vector sum = vector_set (scratch->sum[state]);
  Vector maximum = vector_set (scratch->maximum[state]);

  for (size_t d = 0; d < args->head_size; d += LANES)
    vector_store (output + d,
        vector_div (vector_load (scratch->output[state] + d), sum));
  if (!args->probabilities)
    return;
  for (size_t k = 0; k < args->visible; k += LANES) {
    float *scores = args->probabilities + row * args->probabilities_stride + k;
    size_t count = args->visible - k < LANES ? args->visible - k : LANES;
    Vector value = vector_load_some (scores, count, 0.0f);

    value = vector_div (vector_exp (vector_sub (value, maximum)), sum);
    vector_store_some (scores, value, count);
  }
}

static size_t
tile_count (size_t row, size_t rows)
{
  return rows - row < TILE_ROWS ? rows - row : TILE_ROWS;
}

static void
attention (const NpuAttentionArgs * args, size_t head, size_t first_row,
    size_t rows, void *memory)
{
  AttentionScratch *scratch = memory;
  NpuCache cache = { scratch->keys, scratch->values, args->head_size,
    NPU_KEY_BLOCK
  };
  Attending attending = {.args = args,.head = head,.cache = &cache,
    .scratch = scratch
  };
  size_t column = head * args->head_size;

  clear_rows (scratch, rows, args->head_size);
  for (size_t first = 0; first < args->visible; first += NPU_KEY_BLOCK) {
    size_t left = args->visible - first;

    attending.first_key = first;
    attending.count = left < NPU_KEY_BLOCK ? left : NPU_KEY_BLOCK;
    for (size_t key = 0; key < attending.count; key++) {
      size_t at = (first + key) * args->keys_stride + column;

      npu_cache_store (&cache, key, args->keys + at, args->values + at);
    }
    for (size_t r = 0; r < rows; r += TILE_ROWS)
      attend_tile (&attending, first_row + r, tile_count (r, rows), r);
  }
  for (size_t r = 0; r < rows; r++)
    finish_attention_row (&attending, first_row + r, r);
}

static void
attention_cached (const NpuAttentionArgs * args, size_t head,
    size_t first_row, size_t rows, void *memory)
{
  Attending attending = {.args = args,.head = head,.cache = &args->cache,
    .column = head * args->head_size,.scratch = memory
  };

  for (size_t r = 0; r < rows; r += TILE_ROWS) {
    size_t row = first_row + r, count = tile_count (r, rows);
    size_t visible = args->visible + (row + count - 1) * args->visible_step;

    clear_rows (memory, count, args->head_size);
    for (size_t first = 0; first < visible; first += NPU_KEY_BLOCK) {
      size_t left = visible - first;

      attending.first_key = attending.block_row = first;
      attending.count = left < NPU_KEY_BLOCK ? left : NPU_KEY_BLOCK;
      attend_tile (&attending, row, count, 0);
    }
    for (size_t i = 0; i < count; i++)
      finish_attention_row (&attending, row + i, i);
  }
}

/* ------------------------------------------------ window and logits */

static float
maximum_of (const float *values, size_t count)
{
  Vector maximum = vector_set (-INFINITY);
  size_t i = 0;

  /* A NaN in the first argument leaves the second. */
  for (; i + LANES <= count; i += LANES)
    maximum = vector_max (vector_load (values + i), maximum);
  maximum = vector_max (vector_load_some (values + i, count - i, -INFINITY),
      maximum);
  return vector_maximum (maximum);
}

static void
normalise (const float *input, float *output, size_t count, float floor)
{
  for (size_t i = 0; i < count; i += LANES) {
    size_t valid = count - i < LANES ? count - i : LANES;
    Vector value = vector_max (vector_load_some (input + i, valid, 0.0f),
        vector_set (floor));

    vector_store_some (output + i, vector_mul (vector_add (value,
                vector_set (4.0f)), vector_set (0.25f)), valid);
  }
}

static void
rank_logits (const float *logits, size_t count, int32_t first_token, size_t k,
    NpuRank * rank)
{
  Vector sum = vector_set (0.0f), maximum;

  npu_rank_clear (rank);
  rank->maximum = maximum_of (logits, count);
  if (rank->maximum == -INFINITY)
    return;
  maximum = vector_set (rank->maximum);
  for (size_t i = 0; i < count; i += LANES) {
    size_t valid = count - i < LANES ? count - i : LANES;
    Vector value = vector_load_some (logits + i, valid, -INFINITY);
    unsigned better = vector_greater (value, vector_set (rank->logit[k - 1]));

    sum = vector_add (sum, vector_exp (vector_sub (value, maximum)));
    for (; better; better &= better - 1) {
      size_t at = i + (size_t) __builtin_ctz (better);

      npu_rank_insert (rank, k, first_token + (int32_t) at, logits[at]);
    }
  }
  rank->sum = vector_sum (sum);
}

static void
fill_kernels (NpuKernels * kernels, const char *name)
{
  *kernels = (NpuKernels) {
    .name = name,
    .gemm = {
      [NPU_WEIGHT_FLOAT32] = gemm_float32,
      [NPU_WEIGHT_BF16] = gemm_bf16,
      [NPU_WEIGHT_INT8] = gemm_int8,
    },
    .layer_norm = layer_norm,
    .attention = attention,
    .attention_cached = attention_cached,
    .maximum = maximum_of,
    .normalise = normalise,
    .rank = rank_logits,
  };
}
