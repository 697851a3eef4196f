# SPDX-License-Identifier: Apache-2.0
@0xb3a1f7c2d5e49681;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("vac::bench::schema");

interface RivalService {
  call @0 (data :Data) -> (reply :Data);
}
