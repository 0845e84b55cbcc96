# validstats for R: the arguments of dsl() of the R package dsl, answered by the Python package through reticulate.
#
#   source("validstats.R")
#   fit <- dsl(model = "lm", formula = y ~ x1 + x2, predicted_var = "y", prediction = "q", data = documents)
#   fit; summary(fit); tidy(fit); glance(fit); confint(fit); vcov(fit)
#
# Labels are missing (NA) where nobody gave one. Answers are those of the package's default, the tuned estimator, whose p-values
# are two-sided. as_in_r = TRUE gives what the R package computes from the same predictions of the first stage, which
# cross_fitted takes: a list with one matrix for each predicted variable, one column for each sample split.

dsl <- function(model = "lm", formula, predicted_var, prediction = NULL, data, cluster = NULL, labeled = NULL,
                sample_prob = NULL, index = NULL, fixed_effect = "oneway", sl_method = NULL, feature = NULL,
                family = "gaussian", cross_fit = NULL, sample_split = NULL, seed = 1234,
                as_in_r = FALSE, cross_fitted = NULL, confidence_level = 0.95) {
  models <- c(lm = "linear", logit = "logit", felm = "linear")
  if (!model %in% names(models)) {
    stop("model must be one of ", paste(names(models), collapse = ", "), ", got ", model, call. = FALSE)
  }
  if (model == "felm" && is.null(index)) stop("model = \"felm\" needs index, the columns of the effects.", call. = FALSE)
  if (as_in_r && is.null(cross_fitted)) stop("as_in_r = TRUE needs cross_fitted, the predictions of R.", call. = FALSE)
  needed <- c(predicted_var, prediction, cluster, labeled, sample_prob, index, feature, all.vars(formula))
  absent <- setdiff(needed, names(data))
  if (length(absent) > 0) stop("data has no column ", paste(absent, collapse = ", "), call. = FALSE)

  known <- if (is.null(labeled)) stats::complete.cases(data[predicted_var]) else data[[labeled]] == 1
  labels <- data[predicted_var]
  labels[!known, ] <- NA
  # a number is a known probability; the R package scales a column so that its mean is the share of labelled rows
  probability <- if (is.null(sample_prob)) mean(known) else as.numeric(data[[sample_prob]])
  if (as_in_r && !is.null(sample_prob)) probability <- probability * mean(known) / mean(probability)

  python <- .validstats()
  study <- python$dsl$DesignSupervised(
    estimator = if (as_in_r) "dsl" else "tuned",
    n_folds = .whole(if (as_in_r) 2 else cross_fit),
    n_repeats = .whole(if (as_in_r) 1 else sample_split),
    confidence_level = confidence_level,
    random_state = .whole(seed)
  )
  given <- list(.frame(data[setdiff(names(data), predicted_var)]))
  if (!as_in_r && !is.null(prediction)) given$surrogate <- stats::setNames(as.list(prediction), predicted_var)
  if (!as_in_r && !is.null(feature)) given$features <- as.list(feature)
  do.call(study$fit, given)
  if (length(probability) > 1) probability <- python$numpy$array(as.list(probability), dtype = "float")
  study$calibrate(.frame(labels), sampling_probability = probability)
  result <- study$infer(
    .formula(formula, model, index),
    model = models[[model]],
    clusters = if (!is.null(cluster)) cluster else if (as_in_r) "none" else NULL,
    cross_fitted = if (as_in_r) .predictions(cross_fitted) else NULL,
    own_term_correction = !as_in_r
  )
  structure(list(result = result, call = match.call(), model = model), class = "validstats")
}

tidy.validstats <- function(x, conf.level = NULL, ...) {
  table <- .columns(x$result)
  if (!is.null(conf.level)) {
    ends <- .rows(x$result$confidence_interval(conf.level), 2)
    table$conf.low <- ends[, 1]
    table$conf.high <- ends[, 2]
  }
  table
}

glance.validstats <- function(x, ...) {
  data.frame(
    nobs = .to_r(x$result$n_rows),
    n_labelled = .to_r(x$result$n_labelled),
    conf.level = .to_r(x$result$guarantee$confidence_level),
    estimator = if (is.null(x$call$as_in_r)) "tuned" else "dsl",
    guarantee = .to_r(x$result$guarantee$holds)
  )
}

print.validstats <- function(x, ...) {
  cat(.to_r(x$result$answer), "\n", sep = "")
  print(.columns(x$result), row.names = FALSE)
  invisible(x)
}

summary.validstats <- function(object, details = FALSE, ...) {
  cat(.to_r(object$result$summary(details = details)$as_text(80L)), "\n", sep = "")
  invisible(object)
}

coef.validstats <- function(object, ...) stats::setNames(.numbers(object$result$params), .names(object$result))

vcov.validstats <- function(object, ...) {
  names <- .names(object$result)
  covariance <- .rows(object$result$covariance, length(names))
  dimnames(covariance) <- list(names, names)
  covariance
}

confint.validstats <- function(object, parm, level = 0.95, ...) {
  ends <- .rows(object$result$confidence_interval(level), 2)
  dimnames(ends) <- list(.names(object$result), paste(100 * c((1 - level) / 2, (1 + level) / 2), "%"))
  if (missing(parm)) ends else ends[parm, , drop = FALSE]
}

nobs.validstats <- function(object, ...) .to_r(object$result$n_rows)

plot.validstats <- function(x, file = tempfile(fileext = ".png"), ...) {
  x$result$plot()$figure_$savefig(file, dpi = 150L, bbox_inches = "tight")
  message("The figure is in ", file)
  invisible(file)
}

# broom's generics, where broom is not loaded
if (!exists("tidy")) tidy <- function(x, ...) UseMethod("tidy")
if (!exists("glance")) glance <- function(x, ...) UseMethod("glance")

.validstats <- function() {
  if (!requireNamespace("reticulate", quietly = TRUE)) stop("validstats needs the R package reticulate.", call. = FALSE)
  list(
    dsl = reticulate::import("validstats.dsl", convert = FALSE),
    pandas = reticulate::import("pandas", convert = FALSE),
    numpy = reticulate::import("numpy", convert = FALSE)
  )
}

.to_r <- function(value) reticulate::py_to_r(value)

# numbers travel as lists, since old versions of reticulate cannot read arrays of new versions of NumPy
.numbers <- function(value) as.numeric(unlist(.to_r(.validstats()$numpy$asarray(value, dtype = "float")$tolist())))

.rows <- function(value, columns) matrix(.numbers(value), ncol = columns, byrow = TRUE)

.whole <- function(value) if (is.null(value)) NULL else as.integer(value)

# factors become their words; rows keep the order of R
.frame <- function(data) {
  python <- .validstats()
  columns <- lapply(data, function(column) {
    if (is.factor(column)) column <- as.character(column)
    if (is.character(column)) return(lapply(column, function(word) if (is.na(word)) NULL else word))
    python$numpy$array(as.list(as.numeric(column)), dtype = "float")
  })
  python$pandas$DataFrame(reticulate::dict(columns))
}

.predictions <- function(given) {
  numpy <- .validstats()$numpy
  reticulate::dict(lapply(given, function(values) {
    values <- as.matrix(values)
    numpy$array(lapply(seq_len(nrow(values)), function(i) as.list(as.numeric(values[i, ]))), dtype = "float")
  }))
}

.formula <- function(formula, model, index) {
  text <- paste(deparse(formula, width.cutoff = 500L), collapse = " ")
  text <- gsub("factor\\(([^)]*)\\)", "C(\\1)", text)
  if (model == "felm") paste(text, "|", paste(index, collapse = " + ")) else text
}

.names <- function(result) vapply(.to_r(reticulate::import_builtins(convert = FALSE)$list(result$names)), as.character, "")

.columns <- function(result) {
  ends <- .rows(result$confidence_interval(), 2)
  data.frame(
    term = .names(result),
    estimate = .numbers(result$params),
    std.error = .numbers(result$std_error),
    statistic = .numbers(result$statistic),
    p.value = .numbers(result$p_value),
    conf.low = ends[, 1],
    conf.high = ends[, 2]
  )
}
