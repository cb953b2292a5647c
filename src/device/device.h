/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The device interface: buffers, programs (weights in device layout), queues
 * and fences, and the few operations that Whisper's encoder and decoder are
 * lists of. A back end fills one NpuDeviceBackend (device/backend.h); callers
 * use the functions of this header, which check their arguments so that back
 * ends need not.
 *
 * Two kinds of memory layout exist. "Rows" are float32, row after row, each
 * row contiguous: log-mel frames, encoder states, logits, probabilities.
 * "Activations" and "caches" are in whatever layout the device likes; they are
 * sized by npu_device_activation_size() and npu_device_cache_size(), written
 * and read by operations only.
 */
#ifndef NPU_DEVICE_DEVICE_H
#define NPU_DEVICE_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct NpuDevice NpuDevice;
typedef struct NpuBuffer NpuBuffer;
typedef struct NpuProgram NpuProgram;
typedef struct NpuQueue NpuQueue;
typedef struct NpuFence NpuFence;

typedef enum
{
  NPU_PRECISION_AUTO,           /* the device's best that keeps 1e-2 */
  NPU_PRECISION_FLOAT32,
  NPU_PRECISION_BF16,
  NPU_PRECISION_INT8,
  NPU_PRECISIONS
} NpuPrecision;

typedef enum
{
  NPU_OPERATION_CONV1D_STEM,
  NPU_OPERATION_LAYER_NORM,
  NPU_OPERATION_GEMM,
  NPU_OPERATION_ATTENTION,
  NPU_OPERATION_CACHE_STORE,
  NPU_OPERATION_EMBED,
  NPU_OPERATION_VOCABULARY_TOP_K,
  NPU_OPERATION_TILE,
  NPU_OPERATIONS
} NpuOperationType;

/* ------------------------------------------------------------ device */

typedef struct
{
  const char *name;             /* "cpu", as given to npu_device_open() */
  char description[160];        /* for people: processor, instruction set */
  bool emulated;                /* nothing that it measures is hardware's */
  bool virtual_time;            /* npu_device_now() counts modelled time */
  uint32_t queues;              /* that can exist at a time; 0: any number */
  uint32_t queue_depth;         /* lists that may be pending in a queue */
  uint64_t run_timeout_ns;      /* a list that runs longer hangs; 0: none does */
  size_t buffer_alignment;      /* bytes; every buffer starts on a multiple */
  uint32_t context_step;        /* positions; contexts are rounded up to it */
  uint32_t operations;          /* bit (1 << NpuOperationType) if supported */
  uint32_t precisions;          /* bit (1 << NpuPrecision) if supported */
  NpuPrecision best_precision;  /* what NPU_PRECISION_AUTO means here */
  uint32_t threads;             /* host threads that compute; 0 for hardware */
} NpuDeviceInfo;

typedef struct
{
  uint32_t threads;             /* 0: as many as the process may run on */
  const char *isa;              /* NULL or "auto": best; else e.g. "c", "avx2",
                                 * "avx512", "avx512bf16" (cpu device only) */
  const char *settings;         /* what only one device knows, as "key=value"
                                 * with commas between; NULL for none */
} NpuDeviceOptions;

/**
 * npu_device_open:
 * Open the device called @name, or take another reference to it when it is
 * open already with the same options.
 *
 * @name     "cpu"; "emu", an emulated NPU (docs/devices.md); or "auto", the
 *           best device that is present, never an emulated one
 * @options  NULL for defaults; not kept
 * @device   out; the caller's reference
 *
 * Returns NPU_OK; NPU_ENODEV when there is no device of that name, NPU_ENOTSUP
 * when the processor lacks the instruction set asked for, NPU_ENOMEM. The
 * message lists what there is. Any thread; may block to start threads.
 */
NPU_API NpuStatus npu_device_open (const char *name,
    const NpuDeviceOptions * options, NpuDevice ** device, NpuError * error);

/**
 * npu_device_ref:
 * Returns @device with one more reference. Any thread.
 */
NPU_API NpuDevice *npu_device_ref (NpuDevice * device);

/**
 * npu_device_unref:
 * Drop a reference; the last one closes the device. Buffers, programs, queues
 * and fences hold a reference each. @device may be NULL. Any thread.
 */
NPU_API void npu_device_unref (NpuDevice * device);

/**
 * npu_device_info:
 * Returns what the device is and can do; valid as long as @device. Any thread.
 */
NPU_API const NpuDeviceInfo *npu_device_info (const NpuDevice * device);

/**
 * npu_device_now:
 * Returns nanoseconds on the clock by which the device's times count: the
 * monotonic clock, or modelled time where info.virtual_time says so. Any
 * thread.
 */
NPU_API uint64_t npu_device_now (const NpuDevice * device);

/**
 * npu_device_names:
 * Returns a NULL-terminated list of the names that npu_device_open() knows,
 * without "auto"; static. Any thread.
 */
NPU_API const char *const *npu_device_names (void);

/**
 * npu_device_activation_size:
 * Returns the bytes that @rows activations of @width elements need, 0 when the
 * product overflows. Any thread.
 */
NPU_API size_t npu_device_activation_size (const NpuDevice * device,
    uint32_t rows, uint32_t width);

/**
 * npu_device_cache_size:
 * Returns the bytes that a key/value cache of @rows positions of @width
 * elements needs (keys and values together), 0 on overflow. Any thread.
 */
NPU_API size_t npu_device_cache_size (const NpuDevice * device,
    uint32_t rows, uint32_t width);

/* ----------------------------------------------------------- buffers */

typedef enum
{
  NPU_SYNC_TO_DEVICE,
  NPU_SYNC_FROM_DEVICE,
} NpuSyncDirection;

/**
 * npu_buffer_create:
 * Allocate @size bytes of device memory, zeroed, aligned to at least 64 bytes
 * and to the device's buffer_alignment.
 *
 * @group   memory group (bank) as the device's kernels number them; 0 if any
 * @buffer  out; owned by the caller, free with npu_buffer_unref()
 *
 * Returns NPU_OK, NPU_EINVAL (size 0), NPU_ENOMEM. Any thread.
 */
NPU_API NpuStatus npu_buffer_create (NpuDevice * device, size_t size,
    uint32_t group, NpuBuffer ** buffer, NpuError * error);

/**
 * npu_buffer_ref:
 * Returns @buffer with one more reference. Any thread.
 */
NPU_API NpuBuffer *npu_buffer_ref (NpuBuffer * buffer);

/**
 * npu_buffer_unref:
 * Drop a reference; the last one frees the memory. NULL is ignored. The caller
 * sees to it that no submitted operation still uses it. Any thread.
 */
NPU_API void npu_buffer_unref (NpuBuffer * buffer);

/**
 * npu_buffer_size:
 * Returns the size asked for at creation, in bytes. Any thread.
 */
NPU_API size_t npu_buffer_size (const NpuBuffer * buffer);

/**
 * npu_buffer_host:
 * Returns the host's address of the buffer, valid for its life. What the host
 * writes there reaches the device with npu_buffer_sync() only, and the other
 * way round, even where both share memory. Any thread.
 */
NPU_API void *npu_buffer_host (NpuBuffer * buffer);

/**
 * npu_buffer_sync:
 * Make @size bytes from @offset visible to the other side.
 *
 * Returns NPU_OK, NPU_EINVAL when the range is outside the buffer, or the
 * device's error. Any thread; may block for the transfer.
 */
NPU_API NpuStatus npu_buffer_sync (NpuBuffer * buffer,
    NpuSyncDirection direction, size_t offset, size_t size);

/* ---------------------------------------------------------- programs */

typedef enum
{
  NPU_TENSOR_MATRIX,            /* rows (outputs) x columns (inputs), of a gemm */
  NPU_TENSOR_VECTOR,            /* bias, scale, shift: 1 x columns */
  NPU_TENSOR_TABLE,             /* rows looked up or added: positions */
  NPU_TENSOR_EMBEDDING,         /* a table that is a vocabulary matrix too */
} NpuTensorKind;

/* Stands for "no bias", "no residual" where an operation allows it. */
#define NPU_NO_TENSOR UINT32_MAX

typedef struct
{
  NpuTensorKind kind;
  uint32_t rows;
  uint32_t columns;
  const char *name;             /* for messages; must outlive the call only */
} NpuTensorDescription;

typedef struct
{
  uint32_t tensors;
  const NpuTensorDescription *descriptions;     /* one per tensor */
  /* Write @rows rows of tensor @tensor from @first_row as float32 to @out.
   * Called from any thread, several at once; returns NPU_OK or what failed.
   * Must not use the device. */
  NpuStatus (*read) (void *user, uint32_t tensor, uint32_t first_row,
      uint32_t rows, float *out);
  void *user;
} NpuProgramSource;

/**
 * npu_program_load:
 * Read every tensor of @source and keep it in the device's layout.
 *
 * @source   used during the call only
 * @program  out; the caller's reference
 *
 * Operations name tensors by their index in @source. Returns NPU_OK,
 * NPU_ENOTSUP when the device lacks @precision, NPU_ENOMEM, or what @read
 * returned. Any thread; blocks for as long as reading and packing takes.
 */
NPU_API NpuStatus npu_program_load (NpuDevice * device,
    NpuPrecision precision, const NpuProgramSource * source,
    NpuProgram ** program, NpuError * error);

/**
 * npu_program_ref:
 * Returns @program with one more reference. Any thread.
 */
NPU_API NpuProgram *npu_program_ref (NpuProgram * program);

/**
 * npu_program_unref:
 * Drop a reference; the last one frees the weights. NULL is ignored.
 */
NPU_API void npu_program_unref (NpuProgram * program);

/**
 * npu_program_bytes:
 * Returns the bytes that the packed weights take. Any thread.
 */
NPU_API size_t npu_program_bytes (const NpuProgram * program);

/**
 * npu_program_precision:
 * Returns the precision in force, never NPU_PRECISION_AUTO. Any thread.
 */
NPU_API NpuPrecision npu_program_precision (const NpuProgram * program);

/* -------------------------------------------------------- operations */

/* A range of a buffer. Inside one operation a batch of views is worked on
 * together, so that several streams share one pass over the weights. */
typedef struct
{
  NpuBuffer *buffer;
  size_t offset;                /* bytes, a multiple of 64 */
  uint32_t rows;
} NpuView;

/* Window normalisation and the two convolutions:
 *   y = (max (x, max_window (x) - 8) + 4) / 4          (Whisper, audio.py)
 * over the valid frames, padded up to 2 * output.rows frames with silence, raw
 * value -10 (log10 of the least power), which the clamp and the maximum treat
 * like any other frame; a NaN becomes what the clamp leaves as least. Then
 * conv1 (kernel 3, stride 1, GELU), conv2 (kernel 3, stride 2, GELU) and the
 * position table's first output.rows rows added. */
typedef struct
{
  /* Frames as rows of @bands raw log10 values, up to two ranges in order of
   * time (a ring that wraps); frames[1].rows may be 0. */
  NpuView frames[2];
  NpuView staged;               /* scratch: npu_stem_scratch_size() bytes */
  NpuView output;               /* activations, output.rows x width */
} NpuStemItem;

typedef struct
{
  const NpuStemItem *items;
  uint32_t bands;
  uint32_t width;
  uint32_t conv1_weight;        /* matrix width x (3 * bands), tap after tap:
                                 * column tap * bands + band */
  uint32_t conv1_bias;
  uint32_t conv2_weight;        /* matrix width x (3 * width), likewise */
  uint32_t conv2_bias;
  uint32_t positions;           /* table, at least output.rows x width */
} NpuStemOperation;

/* output = (input - mean) / sqrt (variance + 1e-5) * scale + shift, by row. */
typedef struct
{
  const NpuView *input;
  const NpuView *output;        /* may be the input unless output_rows */
  uint32_t width;
  uint32_t scale;
  uint32_t shift;
  bool output_rows;             /* output is float32 rows, not activations */
} NpuLayerNormOperation;

/* output = epilogue (input * weight^T + bias) + residual. */
typedef struct
{
  const NpuView *input;         /* activations of the weight's columns */
  const NpuView *output;        /* activations of the weight's rows; apart from
                                 * the input */
  const NpuView *residual;      /* like output, may be output; NULL for none */
  uint32_t weight;
  uint32_t bias;                /* or NPU_NO_TENSOR */
  bool gelu;                    /* erf form, before the residual is added */
  bool input_rows;              /* input is float32 rows, not activations */
} NpuGemmOperation;

typedef enum
{
  NPU_ATTENTION_FULL,           /* every row sees every row of its own item */
  NPU_ATTENTION_CAUSAL,         /* appends keys and values to the cache at
                                 * @position first; row r sees cache rows
                                 * 0 ... position + r */
  NPU_ATTENTION_CROSS,          /* every row sees cache rows 0 ... keys - 1 */
} NpuAttentionForm;

/* softmax (q k^T / sqrt (width / heads)) v, head by head. The head size is a
 * multiple of 16, at most 256. */
typedef struct
{
  NpuView input;                /* activations: rows x 3 width (query, key,
                                 * value side by side), or rows x width (query
                                 * alone) for the cross form */
  NpuView output;               /* activations, rows x width, not the input */
  NpuView cache;                /* cache; rows: its capacity, the same in every
                                 * operation on it. Unused if full */
  uint32_t position;            /* causal: cache rows that are there already */
  uint32_t keys;                /* cross: cache rows to look at */
  NpuView probabilities;        /* NULL buffer, or float32 out: for each chosen
                                 * head and each input row, @keys values */
} NpuAttentionItem;

typedef struct
{
  const NpuAttentionItem *items;
  NpuAttentionForm form;
  uint32_t width;
  uint32_t heads;
  const uint8_t *chosen_heads;  /* whose probabilities are written (cross) */
  uint32_t chosen_count;
} NpuAttentionOperation;

/* Put keys and values that a gemm made (rows x 2 width, keys first) into a
 * cache from row 0: done once a window for cross attention. */
typedef struct
{
  const NpuView *input;         /* activations, rows x 2 width */
  const NpuView *output;        /* caches */
  uint32_t width;
} NpuCacheStoreOperation;

/* output row = embedding[token] + positions[position + row]. */
typedef struct
{
  const int32_t *tokens;        /* of one item; read when the operation runs */
  uint32_t position;
  NpuView output;               /* activations; rows: number of tokens */
} NpuEmbedItem;

typedef struct
{
  const NpuEmbedItem *items;
  uint32_t width;
  uint32_t embedding;
  uint32_t positions;
} NpuEmbedOperation;

#define NPU_TOP_K_MAX 8

typedef struct
{
  int32_t token;
  float logit;
} NpuCandidate;

/* The best tokens of one range of the vocabulary, and
 * log (sum (exp (logit))) over that range's tokens that are allowed. */
typedef struct
{
  NpuCandidate best[NPU_TOP_K_MAX];     /* falling; token -1 where fewer */
  float log_sum;                /* -INFINITY when every token is suppressed */
} NpuVocabularyRange;

typedef struct
{
  NpuVocabularyRange text;      /* tokens 0 ... split - 1 */
  NpuVocabularyRange timestamps;        /* tokens split ... vocabulary - 1 */
} NpuVocabularyResult;

typedef struct
{
  NpuView input;                /* activations; the last row is looked at */
  const uint32_t *suppressed;   /* bit set over the vocabulary, NULL for none;
                                 * read when the operation runs */
  NpuVocabularyResult *result;  /* host memory, written before the fence */
  float *logits;                /* NULL, or host memory for the logits of the
                                 * whole vocabulary before suppression */
} NpuVocabularyItem;

typedef struct
{
  const NpuVocabularyItem *items;
  uint32_t width;
  uint32_t embedding;
  uint32_t k;                   /* 1 ... NPU_TOP_K_MAX */
  uint32_t split;               /* first token of the second range */
} NpuVocabularyOperation;

/* Kernels that work on tiles of a fixed size; their layouts are described in
 * kernels/tiles/tiles.h. */
typedef enum
{
  NPU_TILE_ATTENTION_INT8,
  NPU_TILE_LAYER_NORM_INT8,
  NPU_TILE_GEMM_INT8,
  NPU_TILE_GELU_INT8,
  NPU_TILE_ATTENTION_BF16,
  NPU_TILE_LAYER_NORM_BF16,
  NPU_TILE_GEMM_BF16,
  NPU_TILE_GELU_BF16,
  NPU_TILES
} NpuTileKernel;

/* output tile = kernel (input tile), for each of the view's tiles. */
typedef struct
{
  NpuTileKernel kernel;
  const NpuView *input;         /* rows: tiles, one behind another */
  const NpuView *output;        /* likewise, apart from the input */
} NpuTileOperation;

typedef struct
{
  NpuOperationType type;
  uint32_t batch;               /* items or views in each list of it */
  union
  {
    NpuStemOperation stem;
    NpuLayerNormOperation layer_norm;
    NpuGemmOperation gemm;
    NpuAttentionOperation attention;
    NpuCacheStoreOperation cache_store;
    NpuEmbedOperation embed;
    NpuVocabularyOperation vocabulary;
    NpuTileOperation tile;
  };
} NpuOperation;

/**
 * npu_tile_input_size:
 * Returns the bytes of one input tile of @kernel. Any thread.
 */
NPU_API size_t npu_tile_input_size (NpuTileKernel kernel);

/**
 * npu_tile_output_size:
 * Returns the bytes of one output tile of @kernel. Any thread.
 */
NPU_API size_t npu_tile_output_size (NpuTileKernel kernel);

/**
 * npu_stem_scratch_size:
 * Returns the bytes of scratch that a stem of @positions output rows needs on
 * this device, 0 on overflow. Any thread.
 */
NPU_API size_t npu_stem_scratch_size (const NpuDevice * device,
    uint32_t positions, uint32_t bands, uint32_t width);

/* --------------------------------------------------- queues and fences */

typedef struct
{
  uint64_t submissions;         /* lists taken */
  uint64_t failures;            /* lists that ended with an error */
  uint64_t busy_ns;             /* time with a list running */
} NpuQueueStatistics;

/**
 * npu_queue_create:
 * Create an in-order queue. Its lists run one after another, in the order of
 * submission; lists of different queues may overlap.
 *
 * @queue  out; owned by the caller, free with npu_queue_free()
 *
 * Returns NPU_OK, NPU_ENOMEM, or NPU_EBUSY when the device has no more.
 */
NPU_API NpuStatus npu_queue_create (NpuDevice * device, NpuQueue ** queue,
    NpuError * error);

/**
 * npu_queue_free:
 * Wait for what was submitted, then free the queue; a list that hangs is
 * cancelled. NULL is ignored.
 */
NPU_API void npu_queue_free (NpuQueue * queue);

/**
 * npu_queue_submit:
 * Hand over a list of operations on one program.
 *
 * @program     NULL where no operation has tensors
 * @operations  and all that they point to stay the caller's and must not
 *              change until @fence is signalled
 * @fence       must be idle; signalled when the list ended, well or not
 *
 * The list's views are checked against their buffers here. Returns NPU_OK,
 * NPU_EINVAL (with a message), NPU_ENOTSUP when the device lacks an operation
 * or a form of it, NPU_EBUSY when the fence is pending or the queue is full. Any thread; never blocks on the device, never allocates.
 */
NPU_API NpuStatus npu_queue_submit (NpuQueue * queue,
    const NpuProgram * program, const NpuOperation * operations,
    size_t count, NpuFence * fence, NpuError * error);

/**
 * npu_queue_statistics:
 * Copy the counters of @queue to @statistics. Any thread.
 */
NPU_API void npu_queue_statistics (NpuQueue * queue,
    NpuQueueStatistics * statistics);

/**
 * npu_fence_create:
 * Create an idle fence; free it with npu_fence_free(). Any thread.
 */
NPU_API NpuStatus npu_fence_create (NpuDevice * device, NpuFence ** fence,
    NpuError * error);

/**
 * npu_fence_set_notify:
 * Have @notify called whenever a list that was submitted with @fence ended.
 *
 * @notify  called by a thread of the device when npu_fence_wait() can see the
 *          end. It must neither block for long nor touch the fence, and no
 *          caller of the fence's functions may hold a lock that it takes. Not
 *          called any more when npu_fence_free() has returned. NULL for nobody
 *
 * Only while the fence is idle.
 */
NPU_API void npu_fence_set_notify (NpuFence * fence,
    void (*notify) (void *user), void *user);

/**
 * npu_fence_times:
 * When the list that npu_fence_wait() last reported began to run and ended, on
 * npu_device_now()'s clock; both 0 for one that never began.
 */
NPU_API void npu_fence_times (NpuFence * fence, uint64_t * started_ns,
    uint64_t * ended_ns);

/**
 * npu_fence_free:
 * Free an idle or signalled fence. NULL is ignored.
 */
NPU_API void npu_fence_free (NpuFence * fence);

/* For npu_fence_wait(): no limit. */
#define NPU_WAIT_FOREVER UINT64_MAX

/**
 * npu_fence_wait:
 * Wait until the list that was submitted with @fence has ended, at most
 * @timeout_ns nanoseconds; 0 polls.
 *
 * Returns how the list ended (NPU_OK, NPU_EDEVICE...), with its message, or
 * NPU_ETIMEDOUT while it still runs. An idle fence counts as ended well. After
 * the return of anything but NPU_ETIMEDOUT the fence is idle again. One thread
 * at a time.
 */
NPU_API NpuStatus npu_fence_wait (NpuFence * fence, uint64_t timeout_ns,
    NpuError * error);

/**
 * npu_device_reset:
 * Bring the device back after NPU_EDEVICE or NPU_ETIMEDOUT: lists that are
 * pending end with NPU_ECANCELED, programs and buffers are kept.
 *
 * Returns NPU_OK, or NPU_ENODEV when the device is gone for good.
 */
NPU_API NpuStatus npu_device_reset (NpuDevice * device, NpuError * error);

#endif
