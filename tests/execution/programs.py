"""Programs in every language: what a person would write, and what must come of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Programs:
    """Programs of one language.

    ``asks``: asks for a name and a number, twice by the language's usual means, and prints
    ``Hello Ada, 42!``; ``fails``: has an error in line 3 (``fails_at`` where it is said otherwise);
    ``exits``: ends with status 3 after having printed ``out`` and, as an error, ``err``; ``loops``:
    prints ``on`` and never ends.
    """

    asks: str
    fails: str
    exits: str
    loops: str
    fails_at: str = ":3"


PROGRAMS = {
    "javascript": Programs(
        asks="""\
const readline = require('readline');
const rl = readline.createInterface({ input: process.stdin, output: process.stdout });
rl.question('Name? ', name => {
  rl.question('Number? ', number => {
    console.log(`Hello ${name}, ${Number(number) + 1}!`);
    rl.close();
  });
});
""",
        fails="function f() {\n  const a = 1;\n  return a.b.c;\n}\nf();\n",
        exits="console.log('out');\nconsole.error('err');\nprocess.exit(3);\n",
        loops="console.log('on');\nwhile (true) {}\n",
    ),
    "typescript": Programs(
        asks="""\
import * as readline from 'readline';
const rl = readline.createInterface({ input: process.stdin, output: process.stdout });
rl.question('Name? ', (name: string) => {
  rl.question('Number? ', (number: string) => {
    console.log(`Hello ${name}, ${Number(number) + 1}!`);
    rl.close();
  });
});
""",
        fails="const a: number = 1;\nconsole.log(a);\nconst b: string = a;\n",
        exits="console.log('out');\nconsole.error('err');\nprocess.exit(3);\n",
        loops="console.log('on');\nwhile (true) {}\n",
        fails_at="main.ts(3,",
    ),
    "c": Programs(
        asks="""\
#include <stdio.h>
int main(void) {
    char name[100];
    int number;
    printf("Name? ");
    scanf("%99s", name);
    printf("Number? ");
    scanf("%d", &number);
    printf("Hello %s, %d!\\n", name, number + 1);
    return 0;
}
""",
        fails="#include <stdio.h>\nint main(void) {\n    return x;\n}\n",
        exits=(
            '#include <stdio.h>\nint main(void) {\n    puts("out");\n'
            '    fputs("err\\n", stderr);\n    return 3;\n}\n'
        ),
        loops='#include <stdio.h>\nint main(void) {\n    puts("on");\n    for (;;) ;\n}\n',
    ),
    "cpp": Programs(
        asks="""\
#include <iostream>
#include <string>
int main() {
    std::string name;
    int number;
    std::cout << "Name? ";
    std::cin >> name;
    std::cout << "Number? ";
    std::cin >> number;
    std::cout << "Hello " << name << ", " << number + 1 << "!\\n";
}
""",
        fails='#include <string>\nint main() {\n    std::string s = "a";\n    s.no();\n}\n',
        exits=(
            '#include <iostream>\nint main() {\n    std::cout << "out\\n";\n'
            '    std::cerr << "err\\n";\n    return 3;\n}\n'
        ),
        loops='#include <iostream>\nint main() {\n    std::cout << "on" << std::endl;\n'
        "    for (volatile int i = 0;; i = i + 1) {}\n}\n",
        fails_at=":4",
    ),
    "java": Programs(
        asks="""\
import java.util.Scanner;
public class Main {
    public static void main(String[] args) {
        Scanner in = new Scanner(System.in);
        System.out.print("Name? ");
        String name = in.nextLine();
        System.out.print("Number? ");
        int number = in.nextInt();
        System.out.println("Hello " + name + ", " + (number + 1) + "!");
    }
}
""",
        fails='public class Main {\n    static void f() {\n        int x = "a";\n    }\n}\n',
        exits=(
            "public class Main {\n    public static void main(String[] args) {\n"
            '        System.out.println("out");\n        System.err.println("err");\n'
            "        System.exit(3);\n    }\n}\n"
        ),
        loops=(
            "public class Main {\n    public static void main(String[] args) {\n"
            '        System.out.println("on");\n        for (;;) {}\n    }\n}\n'
        ),
    ),
    "rust": Programs(
        asks="""\
use std::io::{self, Write};
fn ask(question: &str) -> String {
    print!("{question}");
    io::stdout().flush().unwrap();
    let mut line = String::new();
    io::stdin().read_line(&mut line).unwrap();
    line.trim().to_string()
}
fn main() {
    let name = ask("Name? ");
    let number: i32 = ask("Number? ").parse().unwrap();
    println!("Hello {name}, {}!", number + 1);
}
""",
        fails="fn main() {\n    let a = 1;\n    let b: String = a;\n}\n",
        exits=(
            'fn main() {\n    println!("out");\n    eprintln!("err");\n'
            "    std::process::exit(3);\n}\n"
        ),
        loops='fn main() {\n    println!("on");\n    loop {}\n}\n',
    ),
    "go": Programs(
        asks="""\
package main

import "fmt"

func main() {
	var name string
	var number int
	fmt.Print("Name? ")
	fmt.Scan(&name)
	fmt.Print("Number? ")
	fmt.Scan(&number)
	fmt.Printf("Hello %s, %d!\\n", name, number+1)
}
""",
        fails="package main\n\nvar x string = 1\n\nfunc main() {}\n",
        exits=(
            'package main\n\nimport (\n\t"fmt"\n\t"os"\n)\n\nfunc main() {\n'
            '\tfmt.Println("out")\n\tfmt.Fprintln(os.Stderr, "err")\n\tos.Exit(3)\n}\n'
        ),
        loops='package main\n\nimport "fmt"\n\nfunc main() {\n\tfmt.Println("on")\n\tfor {}\n}\n',
    ),
    "ruby": Programs(
        asks="""\
print 'Name? '
name = gets.chomp
print 'Number? '
number = gets.to_i
puts "Hello #{name}, #{number + 1}!"
""",
        fails="def f\n  a = nil\n  a.size\nend\nf\n",
        exits="puts 'out'\nwarn 'err'\nexit 3\n",
        loops="puts 'on'\nloop {}\n",
    ),
    "php": Programs(
        asks="""\
<?php
$name = readline('Name? ');
echo 'Number? ';
$number = (int) trim(fgets(STDIN));
echo "Hello $name, ", $number + 1, "!\\n";
""",
        fails="<?php\nfunction f() {\n    return nothing();\n}\nf();\n",
        exits='<?php\necho "out\\n";\nfwrite(STDERR, "err\\n");\nexit(3);\n',
        loops='<?php\necho "on\\n";\nwhile (true) {}\n',
    ),
    "perl": Programs(
        asks="""\
use strict; use warnings;
print "Name? ";
my $name = <STDIN>;
chomp $name;
print "Number? ";
my $number = <STDIN>;
print "Hello $name, ", $number + 1, "!\\n";
""",
        fails="use strict;\nsub f {\n    die 'broken';\n}\nf();\n",
        exits='print "out\\n";\nprint STDERR "err\\n";\nexit 3;\n',
        loops='print "on\\n";\nwhile (1) {}\n',
        fails_at="line 3",
    ),
    "lua": Programs(
        asks="""\
io.write("Name? ")
local name = io.read()
io.write("Number? ")
local number = io.read("n")
print("Hello " .. name .. ", " .. math.floor(number + 1) .. "!")
""",
        fails="local function f()\n  local a\n  return a.b\nend\nf()\n",
        exits='print("out")\nio.stderr:write("err\\n")\nos.exit(3)\n',
        loops='print("on")\nwhile true do end\n',
    ),
    "bash": Programs(
        asks="""\
read -r -p 'Name? ' name
printf 'Number? '
read -r number
echo "Hello $name, $((number + 1))!"
""",
        fails="set -e\nf() {\n  nothing_of_the_kind\n}\nf\n",
        exits="echo out\necho err >&2\nexit 3\n",
        loops="echo on\nwhile :; do :; done\n",
        fails_at="line 3",
    ),
    "sql": Programs(
        asks="",
        fails="CREATE TABLE t (a);\n\nSELECT nothing FROM t;\n",
        exits="SELECT 'out' AS a;\nSELECT * FROM errors;\n",
        loops=(
            "SELECT 'on' AS a;\nWITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)\n"
            "SELECT count(*) FROM n;\n"
        ),
    ),
    "r": Programs(
        asks="""\
name <- readline("Name? ")
number <- as.integer(readline("Number? "))
cat("Hello ", name, ", ", number + 1, "!\\n", sep = "")
""",
        fails='f <- function() {\n  a <- 1\n  stop("broken")\n}\nf()\n',
        exits='cat("out\\n")\nmessage("err")\nquit(status = 3)\n',
        loops='cat("on\\n")\nwhile (TRUE) {}\n',
    ),
    "csharp": Programs(
        asks="""\
using System;
class Program {
    static void Main() {
        Console.Write("Name? ");
        string name = Console.ReadLine();
        Console.Write("Number? ");
        int number = int.Parse(Console.ReadLine());
        Console.WriteLine($"Hello {name}, {number + 1}!");
    }
}
""",
        fails='class Program {\n    static void Main() {\n        int x = "a";\n    }\n}\n',
        exits=(
            "using System;\nclass Program {\n    static int Main() {\n"
            '        Console.WriteLine("out");\n        Console.Error.WriteLine("err");\n'
            "        return 3;\n    }\n}\n"
        ),
        loops=(
            "using System;\nclass Program {\n    static void Main() {\n"
            '        Console.WriteLine("on");\n        while (true) {}\n    }\n}\n'
        ),
        fails_at="Program.cs(3,",
    ),
    "tcl": Programs(
        asks="""\
puts -nonewline "Name? "
flush stdout
gets stdin name
puts -nonewline "Number? "
flush stdout
gets stdin number
puts "Hello $name, [expr {$number + 1}]!"
""",
        fails="proc f {} {\n    set a 1\n    nothing_of_the_kind\n}\nf\n",
        exits="puts out\nputs stderr err\nexit 3\n",
        loops="puts on\nwhile 1 {}\n",
        fails_at="line 3",
    ),
    "pascal": Programs(
        asks="""\
program Main;
var
  name: string;
  number: integer;
begin
  Write('Name? ');
  ReadLn(name);
  Write('Number? ');
  ReadLn(number);
  WriteLn('Hello ', name, ', ', number + 1, '!');
end.
""",
        fails="program Main;\nbegin\n  nothing;\nend.\n",
        exits=(
            "program Main;\nbegin\n  WriteLn('out');\n  WriteLn(StdErr, 'err');\n  Halt(3);\nend.\n"
        ),
        loops="program Main;\nbegin\n  WriteLn('on');\n  while true do;\nend.\n",
        fails_at="main.pas(3,",
    ),
}
