/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Private types of the cpu device. Activations are float32 rows whose stride
 * is the width rounded up to a panel; what lies between width and stride is
 * never read. Caches are as NpuCache says, their capacity the view's rows
 * rounded up to a panel, keys first.
 */
#ifndef NPU_DEVICE_CPU_CPU_H
#define NPU_DEVICE_CPU_CPU_H

#include "cpu/kernels.h"
#include "device/backend.h"
#include "device/pool.h"

/* Items of a vocabulary product that share a pass over the matrix. */
#define NPU_CPU_VOCABULARY_ITEMS 16

/* Lists that may be pending in a queue. */
#define NPU_CPU_QUEUE_DEPTH 64

/* Private memory of one thread of the pool. */
typedef struct
{
  _Alignas (64) char kernel[NPU_KERNEL_SCRATCH];
  _Alignas (64) float logits[NPU_CPU_VOCABULARY_ITEMS][NPU_GEMM_COLUMNS];
} NpuCpuScratch;

typedef struct NpuCpuQueue NpuCpuQueue;

typedef struct
{
  NpuDevice base;
  NpuKernels kernels;
  NpuPool *pool;
  NpuCpuScratch *scratch;       /* one per thread */
  pthread_mutex_t lock;
  NpuCpuQueue *queues;          /* under lock */
} NpuCpuDevice;

typedef struct
{
  NpuTensorKind kind;
  NpuMatrix matrix;             /* matrices and embeddings */
  float *values;                /* vectors and tables: rows without gaps */
  uint32_t columns;
} NpuCpuTensor;

typedef struct
{
  NpuRank text;
  NpuRank timestamps;
} NpuCpuRanks;

typedef struct
{
  NpuProgram base;
  NpuCpuTensor *tensors;
  void *memory;                 /* all of the tensors */
  /* Ranks of every NPU_GEMM_COLUMNS tokens for each item of a pass; belongs to
   * who holds the pool. */
  NpuCpuRanks *ranks;
} NpuCpuProgram;

/* A list at work. */
typedef struct
{
  NpuCpuDevice *device;
  const NpuCpuProgram *program;
  NpuError *error;
} NpuCpuRun;

/* Some rows of one item of a gemm; stride in floats. */
typedef struct
{
  const float *input;
  size_t input_stride;
  const float *residual;        /* NULL for none */
  size_t residual_stride;
  float *output;
  size_t output_stride;
  uint32_t rows;
} NpuCpuGemmPart;

/* A product over the rows of several items. */
typedef struct
{
  const NpuMatrix *weight;
  const float *bias;
  NpuEpilogue epilogue;
  uint32_t parts;
  /* Fill @part with what item @index needs. */
  void (*part) (const void *user, uint32_t index, NpuCpuGemmPart * part);
  const void *user;
} NpuCpuGemm;

static inline size_t
npu_cpu_stride (size_t width)
{
  return (width + NPU_PANEL - 1) / NPU_PANEL * NPU_PANEL;
}

static inline float *
npu_cpu_view (const NpuView * view)
{
  return (float *) ((char *) view->buffer->host + view->offset);
}

static inline const NpuCpuTensor *
npu_cpu_tensor (const NpuCpuRun * run, uint32_t tensor)
{
  return &run->program->tensors[tensor];
}

static inline NpuCache
npu_cpu_cache (const NpuView * view, size_t width)
{
  size_t capacity = npu_cpu_stride (view->rows);
  float *keys = npu_cpu_view (view);

  return (NpuCache) { keys, keys + capacity * width, width, capacity };
}

/* backend.c */
size_t npu_cpu_cache_size (const NpuDevice * device, uint32_t rows,
    uint32_t width);
size_t npu_cpu_activation_size (const NpuDevice * device, uint32_t rows,
    uint32_t width);

/* program.c: entries of the vtable */
NpuStatus npu_cpu_program_load (NpuDevice * device, NpuPrecision precision,
    const NpuProgramSource * source, NpuProgram ** program, NpuError * error);
void npu_cpu_program_destroy (NpuProgram * program);

/* queue.c: entries of the vtable */
NpuStatus npu_cpu_queue_create (NpuDevice * device, NpuQueue ** queue,
    NpuError * error);
void npu_cpu_queue_destroy (NpuQueue * queue);
NpuStatus npu_cpu_queue_submit (NpuQueue * queue, const NpuList * list,
    NpuError * error);
void npu_cpu_queue_statistics (NpuQueue * queue,
    NpuQueueStatistics * statistics);
NpuStatus npu_cpu_reset (NpuDevice * device, NpuError * error);

/* The operations. Each is called by a thread that holds the pool; those that
 * depend on what memory holds can fail. */
NpuStatus npu_cpu_operation (const NpuCpuRun * run,
    const NpuOperation * operation);
void npu_cpu_gemm (const NpuCpuRun * run, const NpuCpuGemm * gemm);
void npu_cpu_gemm_operation (const NpuCpuRun * run,
    const NpuOperation * operation);
void npu_cpu_stem (const NpuCpuRun * run, const NpuOperation * operation);
size_t npu_cpu_stem_scratch_size (const NpuDevice * device,
    uint32_t positions, uint32_t bands, uint32_t width);
void npu_cpu_attention (const NpuCpuRun * run, const NpuOperation * operation);
void npu_cpu_vocabulary (const NpuCpuRun * run,
    const NpuOperation * operation);

#endif
