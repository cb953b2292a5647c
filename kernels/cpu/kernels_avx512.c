/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The kernels for AVX-512.
 */
#include "cpu/kernels_avx512.h"

#include "cpu/kernels_vector.h"

void
npu_kernels_init_avx512 (NpuKernels * kernels)
{
  fill_kernels (kernels, "avx512");
}
