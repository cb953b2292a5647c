/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The vocabulary product. The matrix is read once for up to
 * NPU_CPU_VOCABULARY_ITEMS items; a chunk computes the logits of a block of
 * tokens in its own scratch and ranks them there, so that logits never go
 * through memory. The ranks of all blocks are merged in the order of tokens.
 */
#include "device/cpu/cpu.h"

#include <math.h>
#include <string.h>

typedef struct
{
  const NpuCpuRun *run;
  const NpuVocabularyOperation *vocabulary;
  const NpuVocabularyItem *items;       /* of this pass */
  uint32_t count;
  const NpuMatrix *matrix;
} VocabularyJob;

static NpuCpuRanks *
ranks_at (const VocabularyJob * job, size_t block, size_t item)
{
  return job->run->program->ranks + block * NPU_CPU_VOCABULARY_ITEMS + item;
}

/* @first is a multiple of 32, so that words of the bit set begin there. */
static void
suppress (const uint32_t * suppressed, size_t first, size_t count,
    float *logits)
{
  for (size_t i = 0; i < count; i += 32) {
    uint32_t word = suppressed[(first + i) / 32];

    while (word) {
      size_t bit = (size_t) __builtin_ctz (word);

      if (i + bit < count)
        logits[i + bit] = -INFINITY;
      word &= word - 1;
    }
  }
}

static void
rank_block (const VocabularyJob * job, size_t first, size_t count,
    float *logits, const NpuVocabularyItem * item, NpuCpuRanks * ranks)
{
  NpuRankFunc rank = job->run->device->kernels.rank;
  size_t split = job->vocabulary->split;
  size_t text = split <= first ? 0
      : split - first < count ? split - first : count;

  if (item->logits)
    memcpy (item->logits + first, logits, count * sizeof (float));
  if (item->suppressed)
    suppress (item->suppressed, first, count, logits);
  rank (logits, text, (int32_t) first, job->vocabulary->k, &ranks->text);
  rank (logits + text, count - text, (int32_t) (first + text),
      job->vocabulary->k, &ranks->timestamps);
}

static void
vocabulary_chunk (void *user, uint32_t chunk, uint32_t worker)
{
  const VocabularyJob *job = user;
  NpuCpuDevice *device = job->run->device;
  NpuCpuScratch *scratch = &device->scratch[worker];
  size_t first = (size_t) chunk * NPU_GEMM_COLUMNS;
  size_t left = job->matrix->outputs - first;
  size_t count = left < NPU_GEMM_COLUMNS ? left : NPU_GEMM_COLUMNS;
  size_t stride = npu_cpu_stride (job->matrix->inputs);
  NpuGemmArgs args = {
    .rows = job->count,
    .weight = job->matrix,
    .output_column = first,
  };

  for (uint32_t i = 0; i < job->count; i++) {
    const NpuView *input = &job->items[i].input;

    args.input[i] = npu_cpu_view (input) + (input->rows - 1) * stride;
    args.residual[i] = NULL;
    args.output[i] = scratch->logits[i];
  }
  device->kernels.gemm[job->matrix->type] (&args, first, count,
      scratch->kernel);
  for (uint32_t i = 0; i < job->count; i++)
    rank_block (job, first, count, scratch->logits[i], &job->items[i],
        ranks_at (job, chunk, i));
}

static void
finish_range (const NpuRank * rank, NpuVocabularyRange * range)
{
  for (size_t i = 0; i < NPU_TOP_K_MAX; i++) {
    range->best[i].token = rank->token[i];
    range->best[i].logit = rank->logit[i];
  }
  range->log_sum = rank->sum > 0.0f ? rank->maximum + logf (rank->sum)
      : -INFINITY;
}

static void
finish_item (const VocabularyJob * job, size_t blocks, uint32_t item)
{
  NpuVocabularyResult *result = job->items[item].result;
  uint32_t k = job->vocabulary->k;
  NpuCpuRanks total;

  npu_rank_clear (&total.text);
  npu_rank_clear (&total.timestamps);
  for (size_t block = 0; block < blocks; block++) {
    npu_rank_merge (&total.text, &ranks_at (job, block, item)->text, k);
    npu_rank_merge (&total.timestamps, &ranks_at (job, block,
            item)->timestamps, k);
  }
  finish_range (&total.text, &result->text);
  finish_range (&total.timestamps, &result->timestamps);
}

void
npu_cpu_vocabulary (const NpuCpuRun * run, const NpuOperation * operation)
{
  const NpuVocabularyOperation *vocabulary = &operation->vocabulary;
  VocabularyJob job = {
    .run = run,
    .vocabulary = vocabulary,
    .matrix = &npu_cpu_tensor (run, vocabulary->embedding)->matrix,
  };
  size_t blocks = (job.matrix->outputs - 1) / NPU_GEMM_COLUMNS + 1;

  for (uint32_t i = 0; i < operation->batch; i += job.count) {
    uint32_t left = operation->batch - i;

    job.items = vocabulary->items + i;
    job.count = left < NPU_CPU_VOCABULARY_ITEMS ? left
        : NPU_CPU_VOCABULARY_ITEMS;
    npu_pool_run (run->device->pool, (uint32_t) blocks, vocabulary_chunk, &job);
    for (uint32_t item = 0; item < job.count; item++)
      finish_item (&job, blocks, item);
  }
}
