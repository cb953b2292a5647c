/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Private types of the emulated NPU: an array of 4 columns of 4 cores with
 * memory of its own.
 *
 * Activations are bf16 rows whose stride is the width rounded up to the side of
 * a tile; what lies between width and stride is never read nor written. A tile
 * that reaches beyond the last row or column is gathered into the core's memory
 * with zeros around it, so that a core only ever sees whole tiles.
 *
 * One lock guards queues, clock and faults. It is never held while anything is
 * computed, copied or slept for.
 */
#ifndef NPU_DEVICE_EMU_EMU_H
#define NPU_DEVICE_EMU_EMU_H

#include "device/backend.h"
#include "device/emu/settings.h"
#include "device/pool.h"
#include "tiles/tiles.h"

#define NPU_EMU_COLUMNS 4
#define NPU_EMU_COLUMN_CORES 4
#define NPU_EMU_CORES (NPU_EMU_COLUMNS * NPU_EMU_COLUMN_CORES)
/* Bytes of data memory of a core. */
#define NPU_EMU_CORE_MEMORY 65536

/* Contexts of the hardware, and commands that each holds. */
#define NPU_EMU_QUEUES 6
#define NPU_EMU_QUEUE_DEPTH 4

/* Widest row that fits a core beside its scale and shift. */
#define NPU_EMU_NORM_WIDTH_MAX 4096

#define NPU_EMU_NORM_WIDTH_STEP 16

typedef uint16_t NpuEmuTileRow[NPU_TILE_SIDE];
typedef NpuEmuTileRow NpuEmuTile[NPU_TILE_SIDE];

/* What a core holds. */
typedef struct
{
  union
  {
    NpuTileAccumulators accumulators;
    NpuTileAttention attention;
  };
  NpuEmuTile a;
  NpuEmuTile b;
  NpuEmuTile result;
} NpuEmuCore;

_Static_assert (sizeof (NpuEmuCore) <= NPU_EMU_CORE_MEMORY,
    "tiles must fit a core");

/* How long lists of one kind took to compute; see queue.c. */
typedef struct
{
  double operations;
  size_t count;
  uint64_t ns;
} NpuEmuEstimate;

#define NPU_EMU_ESTIMATES 61

typedef struct NpuEmuQueue NpuEmuQueue;

typedef struct
{
  NpuDevice base;
  NpuEmuSettings settings;
  NpuPool *pool;
  NpuEmuCore *cores;

  pthread_mutex_t lock;
  pthread_cond_t served;        /* signalling changed */
  NpuEmuQueue *queues;
  uint32_t queue_count;
  uint64_t next_turn;           /* of the list that is submitted next */
  uint64_t serving;             /* turn that has the array, or will have it */
  uint32_t signalling;          /* lists served, fences not signalled yet */
  uint64_t cancel_before;       /* lists with an earlier turn are cancelled */
  uint32_t leaving;             /* queues that are freed with lists pending */
  bool lost;
  uint64_t lists;               /* ever submitted */
  uint64_t buffers;             /* ever asked for */
  uint64_t host_ns;             /* virtual time only: what the host's clock
                                 * shows */
  uint64_t array_free_ns;       /* when the array has done all it has, with
                                 * virtual time; all it has run, with real */
  NpuEmuEstimate estimates[NPU_EMU_ESTIMATES];
  double ns_per_operation;      /* of the list that was computed last */
} NpuEmuDevice;

typedef struct
{
  NpuBuffer base;               /* host: the host's copy */
  void *memory;                 /* the device's */
} NpuEmuBuffer;

/* Matrices have rows for whole tiles, and zeros wherever there is no weight.
 * A vector is a bias or a layer norm's scale or shift, so it is there as
 * float32 and as bf16, both up to a whole tile. */
typedef struct
{
  uint16_t *values;
  size_t stride;                /* elements; matrices and tables */
  float *floats;                /* vectors only */
  uint32_t rows;
  uint32_t columns;
} NpuEmuTensor;

typedef struct
{
  NpuProgram base;
  NpuEmuTensor *tensors;
  void *memory;                 /* all of the tensors */
} NpuEmuProgram;

/* A list at work. */
typedef struct
{
  NpuEmuDevice *device;
  const NpuEmuProgram *program;
} NpuEmuRun;

/* Rows in device memory; stride in elements. */
typedef struct
{
  const uint16_t *values;
  size_t stride;
  uint32_t rows;
  uint32_t columns;
} NpuEmuRows;

/* One item of a product. */
typedef struct
{
  NpuEmuRows input;             /* rows and columns count always */
  const float *input_floats;    /* rows without gaps instead, or NULL */
  NpuEmuRows residual;          /* values NULL for none */
  uint16_t *output;
  size_t output_stride;
} NpuEmuPart;

/* A product over the rows of several items. */
typedef struct
{
  const NpuEmuTensor *weight;
  const float *bias;            /* NULL for none */
  bool gelu;
  uint32_t parts;
  void (*part) (const void *user, uint32_t index, NpuEmuPart * part);
  const void *user;
} NpuEmuProduct;

static inline size_t
npu_emu_stride (size_t width)
{
  return (width + NPU_TILE_SIDE - 1) / NPU_TILE_SIDE * NPU_TILE_SIDE;
}

static inline uint32_t
npu_emu_tiles (uint32_t count)
{
  return (count - 1) / NPU_TILE_SIDE + 1;
}

static inline void *
npu_emu_view (const NpuView * view)
{
  return (char *) ((NpuEmuBuffer *) view->buffer)->memory + view->offset;
}

static inline const NpuEmuTensor *
npu_emu_tensor (const NpuEmuRun * run, uint32_t tensor)
{
  return &run->program->tensors[tensor];
}

/* A view of activations. */
static inline NpuEmuRows
npu_emu_rows (const NpuView * view, uint32_t width)
{
  return (NpuEmuRows) { npu_emu_view (view), npu_emu_stride (width),
    view->rows, width
  };
}

/* ------------------------------------------------------------ array.c */

/* Does tile @tile of a job on @core. */
typedef void (*NpuEmuTileFunc) (const void *job, NpuEmuCore * core,
    uint32_t tile);

/**
 * npu_emu_array_run:
 * Deal @tiles tiles to the cores in turn and return when all are done. A tile
 * never depends on another, so that the number of host threads that play the
 * cores does not matter.
 *
 * The caller has the array.
 */
void npu_emu_array_run (NpuEmuDevice * device, NpuEmuTileFunc func,
    const void *job, uint32_t tiles);

/**
 * npu_emu_gather:
 * Returns the tile of @rows that begins at @row and @column: where it lies, or
 * a copy in @copy with zeros beyond the last row or column.
 */
NpuTileRows npu_emu_gather (const NpuEmuRows * rows, uint32_t row,
    uint32_t column, NpuEmuTileRow * copy);

/**
 * npu_emu_scatter:
 * Copy the first @rows rows and @columns columns of @tile, or as many as it
 * has, to @output.
 */
void npu_emu_scatter (NpuEmuTileRow * tile, uint16_t * output, size_t stride,
    uint32_t rows, uint32_t columns);

/* ------------------------------------------------------------- cost.c */

/* What a list's products count, two for each multiply-add. */
typedef struct
{
  double bf16;
  double int8;
} NpuEmuWork;

NpuEmuWork npu_emu_list_work (const NpuList * list);
/* Nanoseconds, rounded to nearest. */
uint64_t npu_emu_list_cost (const NpuEmuCost * cost, const NpuEmuWork * work);
uint64_t npu_emu_sync_cost (const NpuEmuCost * cost,
    NpuSyncDirection direction, size_t bytes);
/* Sleep until @deadline_ns on the monotonic clock. */
void npu_emu_sleep_until (uint64_t deadline_ns);

/* A wait shorter than this is spun: the system would oversleep it. */
#define NPU_EMU_SPIN_NS 60000

/* ------------------------------------------------ entries of the vtable */

/* buffer.c */
NpuStatus npu_emu_buffer_create (NpuDevice * device, size_t size,
    uint32_t group, NpuBuffer ** buffer, NpuError * error);
void npu_emu_buffer_destroy (NpuBuffer * buffer);
NpuStatus npu_emu_buffer_sync (NpuBuffer * buffer, NpuSyncDirection direction,
    size_t offset, size_t size);

/* program.c */
NpuStatus npu_emu_program_load (NpuDevice * device, NpuPrecision precision,
    const NpuProgramSource * source, NpuProgram ** program, NpuError * error);
void npu_emu_program_destroy (NpuProgram * program);

/* queue.c */
NpuStatus npu_emu_queue_create (NpuDevice * device, NpuQueue ** queue,
    NpuError * error);
void npu_emu_queue_destroy (NpuQueue * queue);
NpuStatus npu_emu_queue_submit (NpuQueue * queue, const NpuList * list,
    NpuError * error);
void npu_emu_queue_statistics (NpuQueue * queue,
    NpuQueueStatistics * statistics);
NpuStatus npu_emu_reset (NpuDevice * device, NpuError * error);

/* NPU_ENODEV with the message that the device is lost, or NPU_OK. */
NpuStatus npu_emu_check_lost (NpuEmuDevice * device, NpuError * error);

/* stem.c */
size_t npu_emu_stem_scratch_size (const NpuDevice * device,
    uint32_t positions, uint32_t bands, uint32_t width);

/* --------------------------------------------------------- operations */

/**
 * npu_emu_operations_check:
 * Refuse forms and sizes of operations that the array has no kernel for,
 * beyond what npu_operations_check() looks at. NPU_OK or NPU_ENOTSUP.
 */
NpuStatus npu_emu_operations_check (const NpuOperation * operations,
    size_t count, NpuError * error);

/* Each is called by the list that has the array. */
void npu_emu_operation (const NpuEmuRun * run, const NpuOperation * operation);
void npu_emu_product (const NpuEmuRun * run, const NpuEmuProduct * product);
void npu_emu_attention (const NpuEmuRun * run, const NpuOperation * operation);
void npu_emu_stem (const NpuEmuRun * run, const NpuOperation * operation);

/**
 * npu_emu_operation_output:
 * Returns the view that @operation writes first, in device memory.
 */
const NpuView *npu_emu_operation_output (const NpuOperation * operation);

#endif
