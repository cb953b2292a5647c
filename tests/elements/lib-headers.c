/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The installed headers as others include them: in any order, without the
 * core's, and once more after each other. That this compiles is the test.
 */
#include <gstnpuringpool.h>
#include <gstnpubufferpool.h>
#include <gstnpudevice.h>
#include <gstnpu.h>

GType lib_headers_type (void);

GType
lib_headers_type (void)
{
  return GST_TYPE_NPU_RING_POOL;
}
