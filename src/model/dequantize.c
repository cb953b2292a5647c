/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Weights of every stored type as float32. The quantised types are ggml's in
 * their second version: a block of 32 values along a row has a float16 scale
 * d, in the "_1" types a float16 minimum m too, then the values: 4 bits each,
 * the low halves of 16 bytes first and the high halves after them, with the
 * fifth bits of the q5 types in 4 bytes before, or a signed byte each.
 */
#include "model/dequantize.h"

#include <endian.h>
#include <string.h>

typedef struct
{
  const char *name;
  uint32_t block_values;
  uint32_t block_bytes;
} TypeInfo;

static const TypeInfo type_infos[NPU_TENSOR_TYPES] = {
  [NPU_TENSOR_F32] = {"f32", 1, 4},
  [NPU_TENSOR_F16] = {"f16", 1, 2},
  [NPU_TENSOR_BF16] = {"bf16", 1, 2},
  [NPU_TENSOR_Q4_0] = {"q4_0", NPU_QUANTIZED_BLOCK, 2 + 16},
  [NPU_TENSOR_Q4_1] = {"q4_1", NPU_QUANTIZED_BLOCK, 4 + 16},
  [NPU_TENSOR_Q5_0] = {"q5_0", NPU_QUANTIZED_BLOCK, 2 + 4 + 16},
  [NPU_TENSOR_Q5_1] = {"q5_1", NPU_QUANTIZED_BLOCK, 4 + 4 + 16},
  [NPU_TENSOR_Q8_0] = {"q8_0", NPU_QUANTIZED_BLOCK, 2 + 32},
};

const char *
npu_tensor_type_name (NpuTensorType type)
{
  return (unsigned) type < NPU_TENSOR_TYPES ? type_infos[type].name
      : "unknown type";
}

uint32_t
npu_tensor_type_block_values (NpuTensorType type)
{
  return type_infos[type].block_values;
}

uint32_t
npu_tensor_type_block_bytes (NpuTensorType type)
{
  return type_infos[type].block_bytes;
}

static inline uint16_t
read_u16 (const uint8_t * data)
{
  uint16_t value;

  memcpy (&value, data, sizeof (value));
  return le16toh (value);
}

static inline uint32_t
read_u32 (const uint8_t * data)
{
  uint32_t value;

  memcpy (&value, data, sizeof (value));
  return le32toh (value);
}

static inline float
float_of_bits (uint32_t bits)
{
  float value;

  memcpy (&value, &bits, sizeof (value));
  return value;
}

static inline float
float_of_half (uint16_t half)
{
  const uint32_t rebias = (127 - 15) << 23;
  uint32_t magnitude = half & 0x7fff;
  uint32_t bits = (magnitude << 13) + rebias;

  if (magnitude >= 0x7c00) {
    /* infinity or NaN: the largest exponent there is */
    bits += rebias;
  } else if (magnitude < 0x0400) {
    /* by integers, so that it is right in threads that flush denormals */
    float subnormal = (float) magnitude * 0x1p-24f;

    memcpy (&bits, &subnormal, sizeof (bits));
  }
  return float_of_bits (bits | (uint32_t) (half & 0x8000) << 16);
}

/* The blocks of the four types with 4 or 5 bits; the fifth bit is 16. */
static void
dequantize_nibbles (NpuTensorType type, const uint8_t * block, float *out)
{
  bool minimum = type == NPU_TENSOR_Q4_1 || type == NPU_TENSOR_Q5_1;
  bool fifth = type == NPU_TENSOR_Q5_0 || type == NPU_TENSOR_Q5_1;
  const uint8_t *high = block + (minimum ? 4 : 2);
  const uint8_t *low = high + (fifth ? 4 : 0);
  float scale = float_of_half (read_u16 (block));
  float offset = minimum ? float_of_half (read_u16 (block + 2)) : 0.0f;
  int zero = minimum ? 0 : fifth ? 16 : 8;
  uint32_t bits = fifth ? read_u32 (high) : 0;

  for (uint32_t i = 0; i < NPU_QUANTIZED_BLOCK / 2; i++) {
    int first = (int) ((low[i] & 0xf) | (bits >> i & 1) << 4);
    int second = (int) (low[i] >> 4
        | (bits >> (i + NPU_QUANTIZED_BLOCK / 2) & 1) << 4);

    out[i] = (float) (first - zero) * scale + offset;
    out[i + NPU_QUANTIZED_BLOCK / 2] =
        (float) (second - zero) * scale + offset;
  }
}

static void
dequantize_bytes (const uint8_t * block, float *out)
{
  float scale = float_of_half (read_u16 (block));

  for (uint32_t i = 0; i < NPU_QUANTIZED_BLOCK; i++)
    out[i] = (float) (int8_t) block[2 + i] * scale;
}

void
npu_dequantize (NpuTensorType type, const uint8_t * data, size_t count,
    float *out)
{
  size_t step = type_infos[type].block_bytes;

  switch (type) {
    case NPU_TENSOR_F32:
      for (size_t i = 0; i < count; i++)
        out[i] = float_of_bits (read_u32 (data + 4 * i));
      break;
    case NPU_TENSOR_F16:
      for (size_t i = 0; i < count; i++)
        out[i] = float_of_half (read_u16 (data + 2 * i));
      break;
    case NPU_TENSOR_BF16:
      for (size_t i = 0; i < count; i++)
        out[i] = float_of_bits ((uint32_t) read_u16 (data + 2 * i) << 16);
      break;
    case NPU_TENSOR_Q8_0:
      for (size_t i = 0; i < count; i += NPU_QUANTIZED_BLOCK, data += step)
        dequantize_bytes (data, out + i);
      break;
    default:
      for (size_t i = 0; i < count; i += NPU_QUANTIZED_BLOCK, data += step)
        dequantize_nibbles (type, data, out + i);
      break;
  }
}
