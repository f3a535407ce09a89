# Runs a program as a person at a console would, so that readline() asks, and ends with its error.
.First.sys()
local({
  main <- commandArgs(trailingOnly = TRUE)[[1]]
  options(keep.source = TRUE, warn = 1, menu.graphics = FALSE, pager = "cat", editor = "true")
  where <- function(calls) {
    for (call in rev(calls)) {
      source <- attr(call, "srcref")
      if (!is.null(source)) {
        return(paste0(basename(attr(source, "srcfile")$filename), ":", source[[1]], ": "))
      }
    }
    ""
  }
  stop_with <- function(error) {
    from <- conditionCall(error)
    inside <- if (is.null(from)) "" else paste0(" in ", deparse(from, nlines = 1L)[[1]])
    line <- if (inherits(error, "parseError")) "" else where(sys.calls())
    cat("Error", inside, ": ", line, conditionMessage(error), "\n", sep = "", file = stderr())
    quit(save = "no", status = 1L, runLast = FALSE)
  }
  withCallingHandlers(
    {
      code <- parse(main, keep.source = TRUE)
      lines <- attr(code, "srcref")
      for (at in seq_along(code)) {
        expression <- code[[at]]
        if (is.call(expression)) attr(expression, "srcref") <- lines[[at]]
        shown <- withVisible(eval(expression, globalenv()))
        if (shown$visible) print(shown$value)
      }
    },
    error = stop_with,
    interrupt = function(condition) quit(save = "no", status = 130L, runLast = FALSE)
  )
  quit(save = "no", status = 0L)
})
