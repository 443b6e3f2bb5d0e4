"""One small file a language, the definitions in it, and its skeleton."""

from __future__ import annotations

from typing import NamedTuple


class Sample(NamedTuple):
    """`symbols` has a line for each: kind, qualified name, first and last line."""

    source: str
    symbols: str
    skeleton: str


SAMPLES = {
    "sample.py": Sample(
        """\
\"\"\"doc\"\"\"
import os
X = 1
a, b = 1, 2
Y: int = 3
if os:
    def cond(): return 1
else:
    Z = 1
@deco
class A(B):
    \"\"\"class doc\"\"\"
    attr = 1
    t: int
    @property
    def m(self):
        \"\"\"doc\"\"\"
        return 1
    class In:
        async def n(self): pass
async def f(
    a,
):
    return 1
X += 1
obj.attr = 1
type Alias = int
__all__ = ["f"]
""",
        """\
variable X 3 3
variable a 4 4
variable b 4 4
variable Y 5 5
function cond 7 7
variable Z 9 9
class A 10 20
variable A.attr 13 13
variable A.t 14 14
method A.m 15 18
class A.In 19 20
method A.In.n 20 20
function f 21 24
variable Alias 27 27
variable __all__ 28 28
""",
        """\
X = 1
a, b = 1, 2
Y: int = 3
    def cond(): ...
    Z = 1
@deco
class A(B):
    attr = 1
    t: int
    @property
    def m(self): ...
    class In:
        async def n(self): ...
async def f(
    a,
): ...
type Alias = int
__all__ = ["f"]
""",
    ),
    "sample.js": Sample(
        """\
// counts
import fs from "fs";
const LIMIT = 10, OTHER = 2;
export const add = (a, b) => a + b;
export default class Stack extends Base {
  static size = 0;
  #items = [];
  handler = () => { this.x = 1; };
  constructor(a) { super(a); }
  get top() { return 1; }
  async *walk() { yield 1; }
}
function* gen() { yield 1; }
Stack.prototype.peek = function () { return 1; };
module.exports.pop = (x) => x;
exports.Foo = class { bar() {} };
if (LIMIT) { function inner() {} }
let {q, r} = fs;
""",
        """\
variable LIMIT 3 3
variable OTHER 3 3
function add 4 4
class Stack 5 12
variable Stack.size 6 6
variable Stack.#items 7 7
method Stack.handler 8 8
method Stack.constructor 9 9
method Stack.top 10 10
method Stack.walk 11 11
function gen 13 13
method Stack.peek 14 14
function pop 15 15
class Foo 16 16
method Foo.bar 16 16
function inner 17 17
""",
        """\
const LIMIT = 10, OTHER = 2;
export const add = (a, b) => a + b;
export default class Stack extends Base {
  static size = 0;
  #items = [];
  handler = () => { ... };
  constructor(a) { ... }
  get top() { ... }
  async *walk() { ... }
}
function* gen() { ... }
Stack.prototype.peek = function () { ... };
module.exports.pop = (x) => x;
exports.Foo = class { bar() { ... } };
if (LIMIT) { function inner() { ... } }
let {q, r} = fs;
""",
    ),
    "sample.ts": Sample(
        """\
@Component({a: 1})
export class Box<T> implements I {
  private items: T[] = [];
  @Input() name: string;
  constructor(private x: number) {}
  @Log()
  get(i: number): T { return this.items[i]; }
  abstract foo(): void;
}
export interface Shape { area(): number; side: string }
export enum Color { Red, Green }
export type Id = string | number;
namespace Util { export function help() { return 1; } }
declare function ext(a: number): void;
export abstract class A { abstract foo(): void; }
export const f = async (x: number): Promise<void> => { await x; };
function over(a: string): void;
function over(a: any) { return a; }
""",
        """\
class Box 1 9
variable Box.items 3 3
variable Box.name 4 4
method Box.constructor 5 5
method Box.get 6 7
method Box.foo 8 8
class Shape 10 10
method Shape.area 10 10
variable Shape.side 10 10
class Color 11 11
variable Id 12 12
function help 13 13
function ext 14 14
class A 15 15
method A.foo 15 15
function f 16 16
function over 17 17
function over 18 18
""",
        """\
@Component({a: 1})
export class Box<T> implements I {
  private items: T[] = [];
  @Input() name: string;
  constructor(private x: number) { ... }
  @Log()
  get(i: number): T { ... }
  abstract foo(): void;
}
export interface Shape { area(): number; side: string }
export enum Color { Red, Green }
export type Id = string | number;
namespace Util { export function help() { ... } }
declare function ext(a: number): void;
export abstract class A { abstract foo(): void; }
export const f = async (x: number): Promise<void> => { ... };
function over(a: string): void;
function over(a: any) { ... }
""",
    ),
    "sample.java": Sample(
        """\
package a.b;
import java.util.*;
/** doc */
@Deprecated
public class Account<T> {
    private static final int MAX = 3, MIN = 1;
    static { init(); }
    public Account(int a) { this.a = a; }
    /** doc */
    @Override
    public String toString() { return "a"; }
    enum Kind { A, B { void x() {} }; int f() { return 1; } }
    record Point(int x, int y) { Point { check(); } int sum() { return x + y; } }
    interface Op { int apply(int a); default int two() { return 2; } }
    @interface Mark { int value() default 1; }
}
""",
        """\
class Account 4 16
variable Account.MAX 6 6
variable Account.MIN 6 6
method Account.Account 8 8
method Account.toString 10 11
class Account.Kind 12 12
method Account.Kind.f 12 12
class Account.Point 13 13
method Account.Point.Point 13 13
method Account.Point.sum 13 13
class Account.Op 14 14
method Account.Op.apply 14 14
method Account.Op.two 14 14
class Account.Mark 15 15
method Account.Mark.value 15 15
""",
        """\
@Deprecated
public class Account<T> {
    private static final int MAX = 3, MIN = 1;
    static { init(); }
    public Account(int a) { ... }
    @Override
    public String toString() { ... }
    enum Kind { A, B { void x() {} }; int f() { ... } }
    record Point(int x, int y) { Point { ... } int sum() { ... } }
    interface Op { int apply(int a); default int two() { ... } }
    @interface Mark { int value() default 1; }
}
""",
    ),
    "sample.go": Sample(
        """\
package a

import "fmt"

const (
	A = 1
	B = 2
)

var x, y = 1, 2

type Point struct {
	X, Y int
}

type (
	Shape interface {
		Area() float64
	}
	Id = string
)

func Add(a, b int) int { return a + b }

func (p *Point) Move(d int) {
	p.X += d
}

func (s *List[T]) Push(v T) {
}
""",
        """\
variable A 6 6
variable B 7 7
variable x 10 10
variable y 10 10
class Point 12 14
variable Point.X 13 13
variable Point.Y 13 13
class Shape 17 19
method Shape.Area 18 18
variable Id 20 20
function Add 23 23
method Point.Move 25 27
method List.Push 29 30
""",
        """\
	A = 1
	B = 2
var x, y = 1, 2
type Point struct {
	X, Y int
}
	Shape interface {
		Area() float64
	}
	Id = string
func Add(a, b int) int { ... }
func (p *Point) Move(d int) { ... }
func (s *List[T]) Push(v T) { ... }
""",
    ),
    "sample.rs": Sample(
        """\
use std::fmt;
pub const MAX: usize = 3;
static mut S: i32 = 0;
/// doc
#[derive(Debug)]
#[repr(C)]
pub struct Point<T> { x: T }
pub enum E { A, B(i32) }
impl<T> fmt::Display for Point<T> {
    const N: i32 = 1;
    fn fmt(&self) -> i32 { 1 }
}
impl Point<i32> { pub fn new() -> Self { Point { x: 1 } } }
pub trait Shape { fn area(&self) -> f64; fn two(&self) -> i32 { 2 } }
mod inner { pub fn help() {} }
macro_rules! sq { ($x:expr) => { $x * $x } }
type Id = u32;
#[test]
fn works() { assert!(true); }
union U { a: i32 }
extern "C" { fn ext(a: i32); }
""",
        """\
variable MAX 2 2
variable S 3 3
class Point 5 7
variable Point.x 7 7
class E 8 8
class Point 9 12
variable Point.N 10 10
method Point.fmt 11 11
class Point 13 13
method Point.new 13 13
class Shape 14 14
method Shape.area 14 14
method Shape.two 14 14
function help 15 15
function sq 16 16
variable Id 17 17
function works 18 19
class U 20 20
variable U.a 20 20
function ext 21 21
""",
        """\
pub const MAX: usize = 3;
static mut S: i32 = 0;
#[derive(Debug)]
#[repr(C)]
pub struct Point<T> { x: T }
pub enum E { A, B(i32) }
impl<T> fmt::Display for Point<T> {
    const N: i32 = 1;
    fn fmt(&self) -> i32 { ... }
}
impl Point<i32> { pub fn new() -> Self { ... } }
pub trait Shape { fn area(&self) -> f64; fn two(&self) -> i32 { ... } }
mod inner { pub fn help() { ... } }
macro_rules! sq { ($x:expr) => { $x * $x } }
type Id = u32;
#[test]
fn works() { ... }
union U { a: i32 }
extern "C" { fn ext(a: i32); }
""",
    ),
    "sample.c": Sample(
        """\
#include <stdio.h>
#define MAX(a,b) ((a)>(b)?(a):(b))
#define N 3
typedef struct { int x; } point;
struct node { int v; struct node *next; };
enum color { RED, GREEN };
static int counter = 0, *other;
int table[3] = {1,2,3};
int add(int a, int b);
#ifdef X
static char *name(struct node *n) { return 0; }
#endif
int (*fp)(int);
int
main(int argc, char **argv)
{
  return 0;
}
typedef int (*cb)(int);
""",
        """\
function MAX 2 2
variable N 3 3
class point 4 4
variable point.x 4 4
class node 5 5
variable node.v 5 5
variable node.next 5 5
class color 6 6
variable counter 7 7
variable other 7 7
variable table 8 8
function add 9 9
function name 11 11
variable fp 13 13
function main 14 18
variable cb 19 19
""",
        """\
#define MAX(a,b) ((a)>(b)?(a):(b))
#define N 3
typedef struct { int x; } point;
struct node { int v; struct node *next; };
enum color { RED, GREEN };
static int counter = 0, *other;
int table[3] = {1,2,3};
int add(int a, int b);
static char *name(struct node *n) { ... }
int (*fp)(int);
int
main(int argc, char **argv)
{ ... }
typedef int (*cb)(int);
""",
    ),
    "sample.cpp": Sample(
        """\
#include <vector>
namespace geo { namespace in {
template <typename T>
class Box : public Base<T> {
 public:
  Box(int a) : a_(a) {}
  ~Box();
  int get() const { return a_; }
  virtual void f() = 0;
  bool operator==(const Box& o) const { return true; }
  template <class U> U as() { return U(); }
 private:
  int a_ = 0;
  struct Inner { int z; };
};
}}
template <typename T> int geo::in::Box<T>::size() { return 1; }
int geo::area(int x) { return x; }
geo::Box::~Box() {}
extern "C" { int cfun(int a) { return a; } }
enum class Color { Red };
using Id = int;
constexpr int LIMIT = 3;
std::vector<int> xs{1,2};
auto lam = [](int a) { return a; };
operator bool() { return true; }
""",
        """\
class Box 3 15
method Box.Box 6 6
method Box.~Box 7 7
method Box.get 8 8
method Box.f 9 9
method Box.operator== 10 10
method Box.as 11 11
variable Box.a_ 13 13
class Box.Inner 14 14
variable Box.Inner.z 14 14
method Box.size 17 17
method geo.area 18 18
method Box.~Box 19 19
function cfun 20 20
class Color 21 21
variable Id 22 22
variable LIMIT 23 23
variable xs 24 24
variable lam 25 25
function operator bool 26 26
""",
        """\
namespace geo { namespace in {
template <typename T>
class Box : public Base<T> {
 public:
  Box(int a) : a_(a) { ... }
  ~Box();
  int get() const { ... }
  virtual void f() = 0;
  bool operator==(const Box& o) const { ... }
  template <class U> U as() { ... }
 private:
  int a_ = 0;
  struct Inner { int z; };
};
}}
template <typename T> int geo::in::Box<T>::size() { ... }
int geo::area(int x) { ... }
geo::Box::~Box() { ... }
extern "C" { int cfun(int a) { ... } }
enum class Color { Red };
using Id = int;
constexpr int LIMIT = 3;
std::vector<int> xs{1,2};
auto lam = [](int a) { return a; };
operator bool() { ... }
""",
    ),
    "module.cjs": Sample(
        """\
(function (root, factory) {
  if (typeof define === "function") { define([], factory); } else { root.Lib = factory(); }
}(this, (function (exports) {
  "use strict";
  var LIMIT = 3;
  function helper(a) {
    return a + LIMIT;
  }
  class Diff { go() { return 1; } }
  print(LIMIT);
  return { run: function (x) { return helper(x); } };
})));
module.exports = {
  // reads
  read(a) {
    return a;
  },
  "write": async function (a) { return a; },
  "no-name": 1,
  close: () => { return 1; },
  get size() { return 1; },
};
exports = module.exports = function () {
  return 1;
};
module.exports = function named(a) { return a; };
module.exports = class Foo extends Bar {
  bar(a) { return a; }
};
exports.read = function (a) { return a; };
exports.store = { add() { return 1; }, deep: { er() { return 1; } } };
Foo.prototype = { show: function () { return 1; } };
var app = exports = module.exports = {};
module.exports = (base) => class Mixed extends base { go() { return 1; } };
var Cache = (function () {
  var held = {};
  function get(a) { return held[a]; }
  return get;
})();
(function () {
  this.stop = function () { return 1; };
}).call(this);
(function () { var x = 1; print(x); })();
app.get("/", function (req, res) {
  const user = load();
});
process.on("exit", function onExit() { return 1; });
""",
        """\
variable LIMIT 5 5
function helper 6 8
class Diff 9 9
method Diff.go 9 9
function run 11 11
function read 15 17
function write 18 18
function close 20 20
function size 21 21
function exports 23 25
function named 26 26
class Foo 27 29
method Foo.bar 28 28
function read 30 30
class store 31 31
method store.add 31 31
class store.deep 31 31
method store.deep.er 31 31
class Foo 32 32
method Foo.show 32 32
variable app 33 33
class Mixed 34 34
method Mixed.go 34 34
class Cache 35 39
variable Cache.held 36 36
method Cache.get 37 37
method this.stop 41 41
function onExit 47 47
""",
        """\
(function (root, factory) {
}(this, (function (exports) {
  var LIMIT = 3;
  function helper(a) { ... }
  class Diff { go() { ... } }
  return { run: function (x) { ... } };
})));
module.exports = {
  read(a) { ... },
  "write": async function (a) { ... },
  "no-name": 1,
  close: () => { ... },
  get size() { ... },
};
exports = module.exports = function () { ... };
module.exports = function named(a) { ... };
module.exports = class Foo extends Bar {
  bar(a) { ... }
};
exports.read = function (a) { ... };
exports.store = { add() { ... }, deep: { er() { ... } } };
Foo.prototype = { show: function () { ... } };
var app = exports = module.exports = {};
module.exports = (base) => class Mixed extends base { go() { ... } };
var Cache = (function () {
  var held = {};
  function get(a) { ... }
})();
(function () {
  this.stop = function () { ... };
}).call(this);
process.on("exit", function onExit() { ... });
""",
    ),
    "component.mjs": Sample(
        """\
import { create } from "store";
export default {
  data() {
    return { a: 1 };
  },
  setup: () => ({ a: 1 }),
  methods: {
    save(a) {
      return a - 1;
    },
  },
};
createApp({ mounted() { return 1; } }).mount("#app");
angular.module("a").controller("C", function ($scope) {
  $scope.load = function () { return 1; };
  $scope.name = "a";
});
const slice = createSlice({
  reducers: { add(state) { state.a += 1; } },
});
export const useStore = create((set) => ({ inc: () => { set(1); } }));
export const thunk = (a) => async (dispatch) => { dispatch(a); };
const Row = memo((props) => { return props.a; });
const plain = { a: 1, b: [1] };
""",
        """\
function data 3 5
function setup 6 6
class methods 7 11
method methods.save 8 10
function mounted 13 13
method $scope.load 15 15
class slice 18 20
class slice.reducers 19 19
method slice.reducers.add 19 19
class useStore 21 21
method useStore.inc 21 21
function thunk 22 22
variable Row 23 23
variable plain 24 24
""",
        """\
export default {
  data() { ... },
  setup: () => ({ a: 1 }),
  methods: {
    save(a) { ... },
  },
};
createApp({ mounted() { ... } }).mount("#app");
angular.module("a").controller("C", function ($scope) {
  $scope.load = function () { ... };
});
const slice = createSlice({
  reducers: { add(state) { ... } },
});
export const useStore = create((set) => ({ inc: () => { ... } }));
export const thunk = (a) => async (dispatch) => { ... };
const Row = memo((props) => { return props.a; });
const plain = { a: 1, b: [1] };
""",
    ),
    "store.mts": Sample(
        """\
export const store = {
  add(a: number): number {
    return a + 1;
  },
  remove: (a: number): number => { return a - 1; },
} satisfies Store;
export default defineComponent({
  setup() { return { a: 1 }; },
} as Options);
export default class { go(): number { return 1; } }
export default () => { return 1; };
class Box { static handlers = { on() { return 1; } }; }
""",
        """\
class store 1 6
method store.add 2 4
method store.remove 5 5
function setup 8 8
class default 10 10
method default.go 10 10
function default 11 11
class Box 12 12
class Box.handlers 12 12
method Box.handlers.on 12 12
""",
        """\
export const store = {
  add(a: number): number { ... },
  remove: (a: number): number => { ... },
} satisfies Store;
export default defineComponent({
  setup() { ... },
} as Options);
export default class { go(): number { ... } }
export default () => { ... };
class Box { static handlers = { on() { ... } }; }
""",
    ),
}
