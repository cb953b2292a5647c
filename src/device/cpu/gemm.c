/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Matrix products: the rows of all items as one, cut into chunks of rows and
 * columns for the pool. How it is cut does not change a bit of the result.
 */
#include "device/cpu/cpu.h"

/* Chunks for each thread, so that one that is late does not hold up all. */
#define CHUNKS_PER_THREAD 3

typedef struct
{
  const NpuCpuRun *run;
  const NpuCpuGemm *gemm;
  size_t rows;                  /* of all parts together */
  size_t chunk_columns;
  uint32_t column_chunks;
} GemmJob;

/* Fills @args with up to NPU_GEMM_ROWS rows from row @first of all. */
static void
gather_rows (const GemmJob * job, size_t first, NpuGemmArgs * args)
{
  size_t part_first = 0;
  NpuCpuGemmPart part;

  args->rows = 0;
  for (uint32_t i = 0; i < job->gemm->parts; i++) {
    job->gemm->part (job->gemm->user, i, &part);
    while (first < part_first + part.rows && args->rows < NPU_GEMM_ROWS) {
      size_t row = first++ - part_first;
      size_t at = args->rows++;

      args->input[at] = part.input + row * part.input_stride;
      args->output[at] = part.output + row * part.output_stride;
      args->residual[at] = part.residual
          ? part.residual + row * part.residual_stride : NULL;
    }
    part_first += part.rows;
  }
}

static void
gemm_chunk (void *user, uint32_t chunk, uint32_t worker)
{
  const GemmJob *job = user;
  NpuCpuDevice *device = job->run->device;
  const NpuMatrix *weight = job->gemm->weight;
  size_t column = chunk % job->column_chunks * job->chunk_columns;
  size_t end = column + job->chunk_columns;
  NpuGemmArgs args;

  if (end > weight->outputs)
    end = weight->outputs;
  args.weight = weight;
  args.bias = job->gemm->bias;
  args.output_column = 0;
  args.epilogue = job->gemm->epilogue;
  gather_rows (job, (size_t) (chunk / job->column_chunks) * NPU_GEMM_ROWS,
      &args);
  for (; column < end; column += NPU_GEMM_COLUMNS)
    device->kernels.gemm[weight->type] (&args, column,
        end - column < NPU_GEMM_COLUMNS ? end - column : NPU_GEMM_COLUMNS,
        device->scratch[worker].kernel);
}

void
npu_cpu_gemm (const NpuCpuRun * run, const NpuCpuGemm * gemm)
{
  GemmJob job = {.run = run,.gemm = gemm };
  uint32_t threads = run->device->base.info.threads;
  size_t row_chunks, groups, wanted, chunk_groups;
  NpuCpuGemmPart part;

  for (uint32_t i = 0; i < gemm->parts; i++) {
    gemm->part (gemm->user, i, &part);
    job.rows += part.rows;
  }
  row_chunks = (job.rows + NPU_GEMM_ROWS - 1) / NPU_GEMM_ROWS;
  groups = (gemm->weight->outputs + NPU_PANEL_GROUP - 1) / NPU_PANEL_GROUP;
  wanted = threads == 1 ? 1
      : (threads * CHUNKS_PER_THREAD + row_chunks - 1) / row_chunks;
  if (wanted > groups)
    wanted = groups;
  chunk_groups = (groups + wanted - 1) / wanted;
  job.chunk_columns = chunk_groups * NPU_PANEL_GROUP;
  job.column_chunks = (uint32_t) ((groups + chunk_groups - 1) / chunk_groups);
  npu_pool_run (run->device->pool, (uint32_t) row_chunks * job.column_chunks,
      gemm_chunk, &job);
}

static void
operation_part (const void *user, uint32_t index, NpuCpuGemmPart * part)
{
  const NpuCpuRun *run = ((const void *const *) user)[0];
  const NpuGemmOperation *gemm = ((const void *const *) user)[1];
  const NpuMatrix *weight = &npu_cpu_tensor (run, gemm->weight)->matrix;

  part->input = npu_cpu_view (&gemm->input[index]);
  part->input_stride = gemm->input_rows ? weight->inputs
      : npu_cpu_stride (weight->inputs);
  part->output = npu_cpu_view (&gemm->output[index]);
  part->output_stride = npu_cpu_stride (weight->outputs);
  part->residual = gemm->residual ? npu_cpu_view (&gemm->residual[index])
      : NULL;
  part->residual_stride = part->output_stride;
  part->rows = gemm->input[index].rows;
}

void
npu_cpu_gemm_operation (const NpuCpuRun * run, const NpuOperation * operation)
{
  const NpuGemmOperation *gemm = &operation->gemm;
  const void *const user[] = { run, gemm };

  npu_cpu_gemm (run, &(NpuCpuGemm) {
        .weight = &npu_cpu_tensor (run, gemm->weight)->matrix,
        .bias = gemm->bias == NPU_NO_TENSOR ? NULL
        : npu_cpu_tensor (run, gemm->bias)->values,
        .epilogue = gemm->gelu ? NPU_EPILOGUE_GELU : NPU_EPILOGUE_NONE,
        .parts = operation->batch,
        .part = operation_part,
        .user = user,
      });
}
